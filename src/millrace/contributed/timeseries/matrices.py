"""Powers, products and blocks of batches of matrices."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.core import nest
from millrace.core.dtypes import as_dtype, float32, int32
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.functional import scan
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_any
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity, ones, zeros
from millrace.ops.array.fill import ones_like, range_, zeros_like
from millrace.ops.array.gather import gather
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import rank, shape, size
from millrace.ops.array.tile import tile
from millrace.ops.linalg.diag import diag
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.comparison import equal, greater
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.division import floordiv, floormod
from millrace.ops.math.elementwise import abs as abs_
from millrace.ops.math.select import where


def _like(a: Any, *dims: Any) -> Any:
    """A static shape on a tensor, where something is known of it."""
    a.set_shape(TensorShape(dims))
    return a


@public("contrib.timeseries.python.timeseries.math_utils.batch_times_matrix")
def batch_times_matrix(batch: Any, matrix: Any, adj_x: bool = False, adj_y: bool = False) -> Any:
    """A batch of matrices times one matrix, as one product of matrices.

    Args:
      batch: `[n, i, j]`, or `[n, j, i]` with `adj_x`.
      matrix: `[j, k]`, or `[k, j]` with `adj_y`.
      adj_x: transpose those of the batch.
      adj_y: transpose the matrix.

    Returns:
      `[n, i, k]`.
    """
    batch, matrix = convert_to_tensor(batch), convert_to_tensor(matrix)
    if adj_x:
        batch = transpose(batch, [0, 2, 1])
    sizes = batch.get_shape().as_list()
    columns = matrix.get_shape().as_list()[0 if adj_y else 1]
    product = matmul(reshape(batch, [-1, shape(batch)[2]]), matrix, adjoint_b=adj_y)
    if None in (*sizes[:2], columns):
        dynamic = shape(batch)
        last = shape(matrix)[0 if adj_y else 1]
        return _like(reshape(product, [dynamic[0], dynamic[1], last]), sizes[0], sizes[1], columns)
    return reshape(product, [sizes[0], sizes[1], columns])


@public("contrib.timeseries.python.timeseries.math_utils.matrix_times_batch")
def matrix_times_batch(matrix: Any, batch: Any, adj_x: bool = False, adj_y: bool = False) -> Any:
    """One matrix times a batch of matrices, as one product of matrices.

    Args:
      matrix: `[i, j]`, or `[j, i]` with `adj_x`.
      batch: `[n, j, k]`, or `[n, k, j]` with `adj_y`.
      adj_x: transpose the matrix.
      adj_y: transpose those of the batch.

    Returns:
      `[n, i, k]`.
    """
    turned = batch_times_matrix(batch, matrix, adj_x=not adj_y, adj_y=not adj_x)
    return transpose(turned, [0, 2, 1])


def _identities(like: Any) -> Any:
    """Unit matrices of the shape and dtype of a batch of matrices."""
    unit = diag(ones([shape(like)[1]], dtype=like.dtype))
    return tile(expand_dims(unit, 0), [shape(like)[0], 1, 1])


@public("contrib.timeseries.python.timeseries.math_utils.batch_matrix_pow")
def batch_matrix_pow(matrices: Any, powers: Any) -> Any:
    """Each matrix to a power of its own, by squaring.

    Args:
      matrices: `[n, i, i]`.
      powers: integers `[n]`, not negative.

    Returns:
      `[n, i, i]`.
    """

    def go_on(base: Any, power: Any, rest: Any) -> Any:
        del base, rest
        return reduce_any(greater(power, ones_like(power)))

    def halve(base: Any, power: Any, rest: Any) -> tuple[Any, Any, Any]:
        even = equal(floormod(power, 2), zeros(shape(power), dtype=power.dtype))
        more = where(even, rest, matmul(rest, base))
        squared = matmul(base, base)
        unfinished = greater(power, 1)
        half = floordiv(power - floormod(power, 2), 2)
        return (
            _like(where(unfinished, squared, base), *base.get_shape()),
            where(unfinished, half, power),
            _like(where(unfinished, more, rest), *rest.get_shape()),
        )

    matrices, powers = convert_to_tensor(matrices), convert_to_tensor(powers)
    units = _identities(matrices)
    base, left, rest = while_loop(go_on, halve, [matrices, powers, units])
    return where(equal(left, zeros_like(left)), units, matmul(base, rest))


@public("contrib.timeseries.python.timeseries.math_utils.matrix_to_powers")
def matrix_to_powers(matrix: Any, powers: Any) -> Any:
    """One matrix to many powers.

    Args:
      matrix: `[i, i]`.
      powers: integers `[n]`, not negative.

    Returns:
      `[n, i, i]`.
    """
    copies = tile(expand_dims(matrix, 0), [size(powers), 1, 1])
    return batch_matrix_pow(copies, powers)


@public("contrib.timeseries.python.timeseries.math_utils.power_sums_tensor")
def power_sums_tensor(array_size: Any, power_matrix: Any, multiplier: Any) -> Any:
    """The sums of A^i M (A^i)^T for i below 0, 1, ... `array_size`.

    Args:
      array_size: how many terms the last sum has.
      power_matrix: A, `[n, n]`.
      multiplier: M, `[n, n]`.

    Returns:
      `[array_size + 1, n, n]`, the first of zeros.
    """
    array_size = convert_to_tensor(array_size)
    power_matrix, multiplier = convert_to_tensor(power_matrix), convert_to_tensor(multiplier)
    unit = _like(eye(shape(power_matrix)[0], dtype=power_matrix.dtype), *power_matrix.get_shape())
    powers = scan(lambda a, _: matmul(a, power_matrix), range_(array_size - 1), initializer=unit)
    terms = concat(
        [expand_dims(multiplier, 0), matmul(batch_times_matrix(powers, multiplier), powers, adjoint_b=True)],
        0,
    )
    return concat([expand_dims(zeros_like(multiplier), 0), cumsum(terms)], 0)


@public("contrib.timeseries.python.timeseries.math_utils.make_toeplitz_matrix")
def make_toeplitz_matrix(inputs: Any, name: str | None = None) -> Any:
    """A symmetric block matrix: block (i, j) is input |i - j|.

    Args:
      inputs: `[n, k, k]`.
      name: of the result.

    Returns:
      `[n * k, n * k]`.
    """
    count, width = shape(inputs)[0], shape(inputs)[1]
    full = width * count
    row = reshape(range_(count), [1, -1])
    blocks = transpose(gather(inputs, abs_(row - transpose(row))), [0, 2, 1, 3])
    return identity(reshape(blocks, [full, full]), name=name)


@public("contrib.timeseries.python.timeseries.math_utils.block_diagonal")
def block_diagonal(matrices: Any, dtype: Any = float32, name: str = "block_diagonal") -> Any:
    """Matrices along the diagonal of one, zeros elsewhere.

    Args:
      matrices: each `[..., i, j]`, with equal dimensions in front.
      dtype: of those that are not tensors.
      name: of the result.

    Returns:
      `[..., sum of i, sum of j]`.
    """
    parts = [convert_to_tensor(matrix, dtype=as_dtype(dtype)) for matrix in matrices]
    in_front = TensorShape(None)
    rows: Any = 0
    columns: Any = 0
    for part in parts:
        in_front = in_front.merge_with(part.get_shape()[:-2])
        height, width = part.get_shape().with_rank_at_least(2)[-2:].as_list()
        rows = None if None in (rows, height) else rows + height
        columns = None if None in (columns, width) else columns + width
    total = add_n([shape(part)[-1] for part in parts])
    before: Any = 0
    bands = []
    for part in parts:
        after = before + shape(part)[-1]
        behind = total - after
        widths = concat([zeros([rank(part) - 1, 2], dtype=int32), [(before, behind)]], axis=0)
        bands.append(pad(part, widths))
        before = after
    return _like(concat(bands, -2, name=name), *in_front, rows, columns)


@public("contrib.timeseries.python.timeseries.math_utils.replicate_state")
def replicate_state(start_state: Any, batch_size: Any) -> Any:
    """A state, once for each series of a batch.

    Args:
      start_state: tensors in any structure.
      batch_size: how many series there are, a scalar.

    Returns:
      The same structure; each tensor has a batch dimension in front.
    """

    def repeated(part: Any) -> Any:
        row = expand_dims(part, 0)
        return tile(row, concat([[batch_size], ones([rank(part)], dtype=int32)], axis=0))

    return nest.map_structure(repeated, start_state)
