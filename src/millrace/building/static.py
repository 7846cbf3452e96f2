"""What the graph alone says about a value: whole constants, and shapes that are known in part.

Shape rules ask through `Known`; the planner hands the same rules a `Known` of its own when feeds fix more
shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import UNKNOWN_VALUE, Tensor

_LARGEST = 1 << 16  # elements: shape arithmetic is tiny, and folding anything big belongs to the planner
_DEEPEST = 64
_MOST_FOLDED = 200  # operations


class Known:
    """An input whose value a shape rule may ask for: `dims`, `value` (an array or None), and `as_dims()`."""

    __slots__ = ("_value", "dims", "tensor")

    def __init__(
        self, dims: shapes.Dims, value: np.ndarray | None = None, tensor: Tensor | None = None
    ) -> None:
        self.dims = dims
        self._value = value
        self.tensor = tensor

    @property
    def value(self) -> Any:
        """The whole value, or None where it is unknown until the graph runs."""
        if self._value is None and self.tensor is not None:
            self._value = static_value(self.tensor)
        return self._value

    def scalar(self, what: str) -> int | None:
        """The value as one integer, or None where it is unknown until the graph runs.

        Raises:
          ValueError: `what`, as the message calls it, is not a scalar.
        """
        if self.dims not in (None, ()):
            raise ValueError(f"{what} must be a scalar. Received: shape {shapes.format_dims(self.dims)}")
        value = self.value
        return None if value is None else int(value)

    def as_dims(self) -> shapes.Dims:
        """The value read as a shape: -1 and unknown elements become None; None when even the length is
        unknown.

        Raises:
          ValueError: the value is not a vector of integers >= -1.
        """
        value = self.value
        if value is not None:
            return _dims_from_array(value)
        if self.tensor is not None:
            return static_dims(self.tensor)
        if self.dims is not None and len(self.dims) == 1 and self.dims[0] is not None:
            return (None,) * self.dims[0]
        return None


def _dims_from_array(value: np.ndarray) -> shapes.Dims:
    if value.ndim == 0:
        if value == -1:
            return None
        raise ValueError(f"a shape must be a vector. Received: scalar {value}")
    if value.ndim > 1:
        raise ValueError(f"a shape must be a vector. Received: shape {list(value.shape)}")
    dims = tuple(None if v == -1 else v for v in value.tolist())
    for d in dims:
        if d is not None and d < 0:
            raise ValueError(f"a shape may not have negative dimensions. Received: {list(dims)}")
    return dims


def static_value(tensor: Tensor, _depth: int = 0) -> np.ndarray | None:
    """The value of `tensor` where the graph determines it, else None. Remembered on the tensor."""
    found = tensor.known_value
    if found is not None:
        return None if found is UNKNOWN_VALUE else found
    if _depth > _DEEPEST:
        return None
    value = _evaluate(tensor, _depth)
    tensor.known_value = UNKNOWN_VALUE if value is None else value
    return value


@public("python.pywrap_tensorflow.TF_TryEvaluateConstant_wrapper")
def try_evaluate_constant(graph: Any, output: Tensor) -> np.ndarray | None:
    """The value of a tensor where the graph determines it; the arguments are `graph._c_graph` and what
    `tensor._as_tf_output()` gives.
    """
    del graph
    return static_value(output)


def _evaluate(tensor: Tensor, depth: int) -> np.ndarray | None:
    op = tensor.op
    opdef = op.opdef
    if opdef.name == "Const":
        return op.attrs["value"]
    if opdef.name in ("Shape", "Size", "Rank"):
        return _shape_facts(op)
    dims = tensor.dims
    if (
        opdef.name in ("OnesLike", "ZerosLike")
        and shapes.fully_defined(dims)
        and (shapes.num_elements(dims) or _LARGEST + 1) <= _LARGEST
    ):
        filled = np.ones if opdef.name == "OnesLike" else np.zeros
        return filled(dims, tensor.dtype.np_dtype) if tensor.dtype.is_integer else None
    if not opdef.pure or opdef.host or opdef.kernel is None or opdef.has_body or not op.inputs:
        return None
    if not all(t.dtype.is_numpy_compatible for t in op.outputs):
        return None
    size = shapes.num_elements(tensor.dims)
    if size is None or size > _LARGEST:
        return None
    values: list[Any] = []
    for source in op.inputs:
        value = static_value(source, depth + 1)
        if value is None or value.size > _LARGEST:
            return None
        values.append(value)
    from millrace.building.evaluate import evaluate

    results = evaluate(op, values)
    return None if results is None else results[tensor.value_index]


def _shape_facts(op: Any) -> np.ndarray | None:
    dims = op.inputs[0].dims
    kind = op.opdef.name
    if dims is None:
        return None
    if kind == "Rank":
        return np.array(len(dims), np.int32)
    if not shapes.fully_defined(dims):
        return None
    dtype = op.outputs[0].dtype.np_dtype
    return np.array(dims, dtype) if kind == "Shape" else np.array(shapes.num_elements(dims), dtype)


def static_dims(tensor: Tensor) -> shapes.Dims:
    """The int vector `tensor` read as a shape, each element known or not; None when its length is unknown."""
    value = static_value(tensor)
    if value is not None:
        return _dims_from_array(value)
    dims = tensor.dims
    length = dims[0] if dims is not None and len(dims) == 1 else None
    partial = _partial_dims(tensor)
    if partial is not None:
        return partial
    return None if length is None else (None,) * length


def _partial_dims(tensor: Tensor) -> shapes.Dims:
    op = tensor.op
    kind = op.type
    if kind == "Shape":
        return op.inputs[0].dims
    if kind == "SparseCross" and tensor.value_index == 2 and _follows_from_constants(op):
        return _batch_of_crosses(op), None
    if kind == "Pack" and op.attrs.get("axis", 0) in (0, -1) and tensor.dims == (len(op.inputs),):
        return tuple(_partial_scalar(t) for t in op.inputs)
    if kind in ("ConcatV2", "Concat"):
        parts = op.inputs[:-1] if kind == "ConcatV2" else op.inputs[1:]
        known = [static_dims(t) for t in parts]
        return None if any(p is None for p in known) else tuple(d for p in known for d in p or ())
    if kind == "StridedSlice":
        return _partial_slice(op)
    if kind == "Slice":
        return _partial_window(static_dims(op.inputs[0]), op.inputs[1], op.inputs[2])
    if kind == "SparseReshape" and tensor.value_index == 1:
        return static_dims(op.inputs[2])
    if kind == "SparseSlice" and tensor.value_index == 2 and _follows_from_constants(op):
        return _shape_of_window(*[static_value(t) for t in op.inputs[2:5]])
    if kind in ("Cast", "Identity"):
        return static_dims(op.inputs[0])
    return None


def _follows_from_constants(op: Any) -> bool:
    """Whether all that an operation needs is there when the graph is built: what TensorFlow would fold."""
    seen, left = {op}, [op]
    while left:
        one = left.pop()
        if not one.opdef.pure or not (one.inputs or one.type == "Const") or len(seen) > _MOST_FOLDED:
            return False
        for t in one.inputs:
            if t.op not in seen:
                seen.add(t.op)
                left.append(t.op)
    return True


def _batch_of_crosses(op: Any) -> int | None:
    """The batch size that one of a cross's columns tells: a sparse one's shape, or a dense one's."""
    count = op.attrs["N"]
    for shape in op.inputs[2 * count : 3 * count]:
        dims = static_dims(shape)
        if dims and dims[0] is not None:
            return dims[0]
    for dense in op.inputs[3 * count :]:
        if dense.dims and dense.dims[0] is not None:
            return dense.dims[0]
    return None


def _partial_window(dims: shapes.Dims, begin: Tensor, size: Tensor) -> shapes.Dims:
    """Some elements of a shape, one after another, as `Slice` takes them."""
    first, count = static_value(begin), static_value(size)
    if dims is None or first is None or count is None or first.size != 1 or count.size != 1:
        return None
    start, length = int(first[0]), int(count[0])
    return dims[start:] if length == -1 else dims[start : start + length]


def _shape_of_window(shape: Any, start: Any, size: Any) -> shapes.Dims:
    """The shape of a part of a sparse tensor, which ends where the tensor does."""
    if shape is None or start is None or size is None or not shape.shape == start.shape == size.shape:
        return None
    return tuple(
        max(min(k, n - s), 0) for n, s, k in zip(*(v.tolist() for v in (shape, start, size)), strict=True)
    )


def _partial_scalar(tensor: Tensor) -> int | None:
    value = static_value(tensor)
    if value is not None:
        return None if value.ndim or int(value) < 0 else int(value)
    op = tensor.op
    if op.type in ("Cast", "Identity"):
        return _partial_scalar(op.inputs[0])
    if op.type == "Prod" and op.inputs[0].dims is not None and len(op.inputs[0].dims) == 1:
        dims = static_dims(op.inputs[0])
        axis = static_value(op.inputs[1])
        told = dims is not None and shapes.fully_defined(dims) and axis is not None and axis.size == 1
        return shapes.num_elements(dims) if told else None
    if op.type == "StridedSlice" and op.attrs["shrink_axis_mask"] == 1:
        dims = static_dims(op.inputs[0])
        begin = static_value(op.inputs[1])
        if (
            dims is not None
            and begin is not None
            and begin.size == 1
            and -len(dims) <= int(begin[0]) < len(dims)
        ):
            return dims[int(begin[0])]
    return None


def _partial_slice(op: Any) -> shapes.Dims:
    masks = op.attrs
    if masks["ellipsis_mask"] or masks["new_axis_mask"] or masks["shrink_axis_mask"]:
        return None
    dims = static_dims(op.inputs[0])
    bounds = [static_value(t) for t in op.inputs[1:4]]
    if dims is None or any(b is None or b.size != 1 for b in bounds):
        return None
    begin, end, stride = (int(b[0]) for b in bounds)  # type: ignore[index]
    return dims[None if masks["begin_mask"] & 1 else begin : None if masks["end_mask"] & 1 else end : stride]


_TOLD_BY_INPUTS = frozenset(
    ("Range", "Cast", "Concat", "ConcatV2", "ConcatOffset", "Pack", "Fill", "Equal", "NotEqual")
)


def told_value(tensor: Tensor) -> np.ndarray | None:
    """The value of a tensor as far as TensorFlow's `constant_value` looks for it: through few types of
    operations. What decides which operations are added asks for this, and everything else for `static_value`.
    """
    if tensor.op.graph.executes:
        return static_value(tensor)
    seen, left = {tensor}, [tensor]
    while left:
        op = left.pop().op
        if op.type in ("Const", "Shape", "Size", "Rank"):
            continue
        if op.type not in _TOLD_BY_INPUTS:
            return None
        left.extend(t for t in op.inputs if t not in seen)
        seen.update(op.inputs)
    return static_value(tensor)


@public("contrib.util.constant_value", "get_static_value")
def constant_value(tensor: Any, partial: bool = False) -> Any:
    """The value of `tensor` if the graph determines it by constants, shapes, ranges and casts, and by what is
    packed, joined, filled or compared of them.

    Args:
      tensor: a tensor of any shape, or an array, which is returned as it is.
      partial: for a packed vector of scalars, give a list with None for the unknown ones.

    Returns:
      An array, or None when the value is known only when the graph runs.
    """
    if not isinstance(tensor, Tensor):
        return None if hasattr(tensor, "_as_graph_element") else tensor
    value = told_value(tensor)
    if value is None and partial and tensor.op.type == "Pack":
        return [told_value(t) for t in tensor.op.inputs]
    return None if value is None else value.copy()


@public("python.framework.tensor_util.constant_value_as_shape")
def constant_value_as_shape(tensor: Tensor) -> shapes.TensorShape:
    """The shape that an int vector holds, as far as the graph determines it."""
    return shapes.shape_of(static_dims(tensor))
