"""`tensordot` and `einsum`: sums of products over named axes, as matrix products."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_prod, reduce_sum
from millrace.opkit.rules.axes import from_the_front, joined, others
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.products import trace

Length = int | Tensor


def _lengths(x: Tensor) -> list[Length]:
    """The length of each axis: a number where it is known, else a scalar tensor."""
    assert x.dims is not None
    if None not in x.dims:
        return list(x.dims)  # type: ignore[arg-type]
    shape = raw.Shape(x)
    return [shape[i] if d is None else d for i, d in enumerate(x.dims)]


def _product(lengths: Sequence[Length]) -> Length:
    known = 1
    unknown: Tensor | None = None
    for n in lengths:
        if isinstance(n, Tensor):
            unknown = n if unknown is None else unknown * n
        else:
            known *= n
    if unknown is None:
        return known
    return unknown if known == 1 else unknown * known


def _shape_tensor(lengths: Sequence[Length]) -> Any:
    """The lengths as one shape; a single unknown one is left to Reshape."""
    unknown = sum(isinstance(n, Tensor) for n in lengths)
    if unknown > 1:
        return raw.Pack([to_tensor(n, dtypes.int32) for n in lengths])
    return np.array([-1 if isinstance(n, Tensor) else n for n in lengths], np.int32)


def _reshape(x: Tensor, lengths: Sequence[Length], name: str | None = None) -> Tensor:
    """Reshapes where the static shape is not what is wanted already."""
    if name is None and x.dims is not None and None not in x.dims and list(x.dims) == list(lengths):
        return x
    return raw.Reshape(x, _shape_tensor(lengths), name=name)


# ---------------------------------------------------------------- tensordot


def _axes_of(axes: Any, rank_a: int | None) -> tuple[Any, Any]:
    """The axes to sum over, of a and of b, from the forms `tensordot` accepts.

    Raises:
      ValueError: they are negative numbers, or not pairs.
    """
    if isinstance(axes, Tensor):
        value = static_value(axes)
        if value is None:
            raise ValueError(f"tensordot: the axes must be known while building. Received: {axes}")
        axes = value.tolist()
    if isinstance(axes, int | np.integer):
        if axes < 0:
            raise ValueError(f"tensordot: 'axes' must be at least 0. Received: {axes}")
        if rank_a is None:
            return list(range(-axes, 0)), list(range(axes))
        if axes > rank_a:
            raise ValueError(
                f"tensordot: 'axes' must not be larger than the rank of 'a', {rank_a}. Received: {axes}"
            )
        return list(range(rank_a - axes, rank_a)), list(range(axes))
    if isinstance(axes, list | tuple | np.ndarray):
        if len(axes) != 2:
            raise ValueError(f"tensordot: 'axes' must be an integer or have length 2. Received: {axes!r}")
        a, b = axes
        a = [a] if isinstance(a, int | np.integer) else list(a)
        b = [b] if isinstance(b, int | np.integer) else list(b)
        if len(a) != len(b):
            raise ValueError(f"tensordot: as many axes of 'a' as of 'b' are needed. Received: {axes!r}")
        return a, b
    raise ValueError(f"tensordot: 'axes' must be an integer or have length 2. Received: {axes!r}")


def _flat_matrix(x: Tensor, axes: list[int], summed_first: bool) -> tuple[Tensor, Any, Any]:
    """`x` as a matrix of free by summed elements (or the reverse), and the lengths of its free axes: numbers,
    or a tensor where not all of `x`'s are known; then what is known of them.
    """
    if x.dims is None:
        return _flat_matrix_of_any_rank(x, axes, summed_first)
    rank = len(x.dims)
    if any(not -rank <= a < rank for a in axes):
        raise ValueError(f"tensordot: axes must be in [{-rank}, {rank}). Received: {axes}")
    axes = [a % rank for a in axes]
    free = [i for i in range(rank) if i not in axes]
    known = [x.dims[i] for i in free]
    if None not in x.dims:
        order = axes + free if summed_first else free + axes
        sides = [_product([x.dims[i] for i in part]) for part in (axes, free)]  # type: ignore[misc]
        turned = raw.Transpose(x, np.array(order, np.int32), name="transpose")
        return raw.Reshape(turned, _shape_tensor(sides if summed_first else sides[::-1])), known, known
    parts = [to_tensor(part, dtypes.int32, name) for part, name in ((axes, "axes"), (free, "free"))]
    lengths = shape(x)
    kept = gather(lengths, parts[1])
    summed = gather(lengths, parts[0])
    sides = [reduce_prod(kept), reduce_prod(summed)]
    order = concat(parts if summed_first else parts[::-1], 0)
    sides = stack(sides[::-1] if summed_first else sides)
    return raw.Reshape(transpose(x, order), sides), kept, known


def _flat_matrix_of_any_rank(x: Tensor, axes: list[int], summed_first: bool) -> tuple[Tensor, Tensor, None]:
    rank, lengths = raw.Rank(x), raw.Shape(x)
    summed = from_the_front(axes, rank)
    free = others(summed, rank)
    kept = raw.GatherV2(lengths, free, 0)
    sides = [raw.Prod(kept, 0), raw.Prod(raw.GatherV2(lengths, summed, 0), 0)]
    order = [free, summed]
    if summed_first:
        sides.reverse()
        order.reverse()
    return raw.Reshape(raw.Transpose(x, joined(*order), name="transpose"), raw.Pack(sides)), kept, None


@public("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Sums of products of two tensors over pairs of axes.

    Args:
      a: floating, int32, int64 or complex.
      b: same dtype.
      axes: how many last axes of `a` to sum with as many first axes of `b`; or the axes of `a` and of `b`.
      name: op name; default "Tensordot".

    Returns:
      The free axes of `a`, then those of `b`.

    Raises:
      ValueError: the axes or shapes do not fit.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.tensordot([1.0, 2.0], [3.0, 4.0], axes=1)))
      11.0
    """
    with name_scope(name, "Tensordot", [a, b, axes]) as scope:
        a = to_tensor(a, name="a")
        b = to_tensor(b, name="b")
        axes_a, axes_b = _axes_of(axes, None if a.dims is None else len(a.dims))
        left, free_a, known_a = _flat_matrix(a, axes_a, False)
        right, free_b, known_b = _flat_matrix(b, axes_b, True)
        product = matmul(left, right)
        if isinstance(free_a, list) and isinstance(free_b, list):
            return _reshape(product, free_a + free_b, name=scope)
        free_a, free_b = to_tensor(free_a, dtypes.int32), to_tensor(free_b, dtypes.int32)
        result = raw.Reshape(product, concat([free_a, free_b], 0), name=scope)
        if known_a is not None and known_b is not None:
            result.set_shape([*known_a, *known_b])
        return result


# ---------------------------------------------------------------- einsum


def _parse(equation: str, inputs: list[Tensor]) -> tuple[list[str], str]:
    """The axis labels of each input and of the output, ellipses written out.

    Raises:
      ValueError: the equation is malformed or does not fit the inputs.
    """
    if not isinstance(equation, str):
        raise ValueError(f"einsum: equation must be a string. Received: {equation!r}")
    text = equation.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    plain = text.replace("...", "").replace("->", "").replace(",", "")
    if not all(c in string.ascii_letters for c in plain) or "," in output:
        raise ValueError(f"Indices have incorrect format: {equation}")
    if len(terms) != len(inputs):
        raise ValueError(f'Got {len(inputs)} arguments for equation "{equation}", expecting {len(terms)}')
    if "..." in text:
        terms, output = _without_ellipsis(text, terms, output, bool(arrow), inputs, equation)
    elif not arrow:
        joined = "".join(terms)
        output = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    known = set("".join(terms))
    if any(c not in known for c in output) or len(set(output)) != len(output):
        raise ValueError(f"Invalid equation: {equation}")
    return terms, output


def _without_ellipsis(text, terms, output, explicit, inputs, equation) -> tuple[list[str], str]:
    spare = [c for c in string.ascii_letters if c not in text]
    widest = 0
    counts = []
    for term, x in zip(terms, inputs, strict=True):
        extra = 0
        if "..." in term:
            if x.dims is None:
                raise ValueError(f"einsum: an ellipsis needs inputs of known rank. Received: {equation}")
            extra = len(x.dims) - (len(term) - 3)
            if extra < 0:
                raise ValueError(
                    f"einsum: {term} does not fit an input of rank {len(x.dims)}. Received: {equation}"
                )
        counts.append(extra)
        widest = max(widest, extra)
    letters = "".join(spare[:widest])
    named = "".join(t.replace("...", "") for t in terms)
    terms = [t.replace("...", letters[widest - n :]) for t, n in zip(terms, counts, strict=True)]
    if explicit:
        return terms, output.replace("...", letters)
    return terms, letters + "".join(sorted(c for c in set(named) if named.count(c) == 1))


def _turned(x: Tensor, order: list[int]) -> Tensor:
    """The axes in another order, unless it is the one they have."""
    return x if order == sorted(order) else transpose(x, order)


def _folded(x: Tensor, lengths: list[Length]) -> Tensor:
    """Another shape, unless it is known to be the one it has."""
    wanted = [n if isinstance(n, int) else None for n in lengths]
    if x.dims is not None and None not in x.dims and list(x.dims) == wanted:
        return x
    return reshape(x, lengths)


def _running_product(lengths: list[Length]) -> Length:
    """The product, one length after the other: each unknown one adds operations."""
    found: Length = 1
    for n in lengths:
        found = found * n
    return found


def _contract(x: Tensor, x_labels: str, y: Tensor, y_labels: str, summed: set[str]) -> tuple[Tensor, str]:
    """The product over axes of one label, with `summed` summed over; as a product of matrices where there
    are any. The result's labels: those of both, then those of x, then those of y.
    """
    both = sorted((set(x_labels) & set(y_labels)) - summed)
    own_x, own_y = (sorted(set(a) - set(b)) for a, b in ((x_labels, y_labels), (y_labels, x_labels)))
    over = sorted(summed)
    labels = "".join(both + own_x + own_y)
    x = _turned(x, [x_labels.index(c) for c in both + own_x + over])
    y = _turned(y, [y_labels.index(c) for c in both + over + own_y])
    if not summed:
        for _ in own_y:
            x = raw.ExpandDims(x, -1)
        for _ in own_x:
            y = raw.ExpandDims(y, len(both))
        return raw.Mul(x, y), labels
    lengths = _lengths(x)
    front, rows = lengths[: len(both)], lengths[len(both) : len(both) + len(own_x)]
    row = _running_product(rows)
    inner = _running_product(lengths[len(both) + len(own_x) :])
    x = _folded(x, [*front, row, inner])
    lengths = _lengths(y)
    columns = lengths[len(both) + len(over) :]
    y = _folded(y, [*lengths[: len(both)], inner, _running_product(columns)])
    return _folded(matmul(x, y), [*front, *rows, *columns]), labels


def _sum_out(x: Tensor, labels: str, keep: set[str]) -> tuple[Tensor, str]:
    axes = [i for i, c in enumerate(labels) if c not in keep]
    if not axes:
        return x, labels
    return reduce_sum(x, axes), "".join(c for c in labels if c in keep)


@public("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """Sums of products of elements, described by axis labels.

    Args:
      equation: a label per axis, inputs separated by commas, then optionally "->" and the output's labels.
        Without them the output has the labels that occur once, sorted. Axes whose label the output lacks are
        summed over; `...` stands for leading axes.
      *inputs: tensors of one dtype, as many as the equation has.
      **kwargs: `name`, under which the operations are put.

    Returns:
      A tensor with the output's axes.

    Raises:
      ValueError: the equation is malformed, repeats a label within one input, or does not fit the inputs.
      TypeError: another keyword is given.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.einsum("ij,jk->ik", x, x)))
      [[ 7. 10.]
       [15. 22.]]
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"einsum: invalid keyword arguments. Received: {', '.join(sorted(kwargs))}")
    with name_scope(name, "einsum", list(inputs)):
        tensors = [to_tensor(x) for x in inputs]
        terms, output = _parse(equation, tensors)
        if len(terms) == 1 and len(terms[0]) == 2 and terms[0][0] == terms[0][1] and "->" not in equation:
            return trace(tensors[0])
        for i, (term, x) in enumerate(zip(terms, tensors, strict=True)):
            if len(set(term)) != len(term):
                raise ValueError(f"Subscript not supported: an axis appears more than once: {term}")
            if x.dims is None:
                tensors[i] = raw.Identity(x)
                tensors[i].set_shape([None] * len(term))
            elif len(x.dims) != len(term):
                raise ValueError(
                    f"einsum: {term} does not fit a tensor of rank {len(x.dims)}. Received: {equation}"
                )
        return _evaluate(terms, output, tensors)


def _evaluate(terms: list[str], output: str, tensors: list[Tensor]) -> Tensor:
    result, labels = tensors[0], terms[0]
    for i in range(1, len(terms)):
        later = set(output).union(*terms[i + 1 :])
        summed = (set(labels) & set(terms[i])) - later
        result, labels = _contract(result, labels, tensors[i], terms[i], summed)
    result, labels = _sum_out(result, labels, set(output))
    return _turned(result, [labels.index(c) for c in output])
