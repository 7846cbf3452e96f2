"""What users may write for windows: strides of several lengths, old spellings, explicit paddings."""

from __future__ import annotations

from typing import Any

from millrace.building.convert import to_tensor
from millrace.building.static import static_dims
from millrace.core.dtypes import int32
from millrace.core.shapes import format_dims, shape_of
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows


def one_of_two(name: str, value: Any, other_name: str, other: Any, default: Any = None) -> Any:
    """The one of two spellings of an argument that was given.

    Raises:
      ValueError: both were given.
    """
    if other is None:
        return default if value is None else value
    if value is not None:
        raise ValueError(
            f"'{name}' and '{other_name}' are two names of one argument; give only one. Received: both"
        )
    return other


def padding(given: Any) -> tuple[Any, tuple[int, ...]]:
    """The `padding` and `explicit_paddings` attributes of what a user gave.

    Args:
      given: "SAME" or "VALID", or a (before, after) pair for each axis.

    Raises:
      ValueError: a list of something other than pairs.
    """
    if isinstance(given, str | bytes) or given is None:
        return given, ()
    pairs = [tuple(pair) for pair in given]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"explicit padding must be a pair for each axis. Received: {given!r}")
    if not any(any(pair) for pair in pairs):
        return "VALID", ()
    return "EXPLICIT", tuple(int(n) for pair in pairs for n in pair)


def per_axis(given: Any, spatial: int, data_format: str, what: str) -> Any:
    """One value per axis from an integer or a list of 1, `spatial` or `spatial + 2` integers; ones for None.

    Raises:
      ValueError: the list has another length.
    """
    if given is None:
        return (1,) * (spatial + 2)
    values = [given] if not hasattr(given, "__len__") else list(given)
    if len(values) == spatial + 2:
        return values
    if len(values) not in (1, spatial):
        raise ValueError(f"'{what}' must have 1, {spatial} or {spatial + 2} values. Received: {given!r}")
    return windows.assemble(1, values * (spatial // len(values)), 1, data_format)


def tensors(*values: Any) -> list[Tensor]:
    """Tensors of the first value's dtype."""
    first = to_tensor(values[0], name="value")
    return [first, *(to_tensor(v, first.dtype.base_dtype, "filter") for v in values[1:])]


def output_sizes(output_shape: Any, rank: int) -> Tensor:
    """An `output_shape` argument as an int32 vector tensor of `rank` elements.

    Raises:
      ValueError: it has another length.
    """
    sizes = to_tensor(output_shape, int32 if not isinstance(output_shape, Tensor) else None, "input_sizes")
    if not shape_of(sizes.dims).is_compatible_with([rank]):
        raise ValueError(f"output_shape must have shape ({rank},), got {format_dims(sizes.dims)}")
    return sizes


def check_transpose(value: Tensor, filter: Tensor, sizes: Tensor, padding: Any, data_format: str) -> None:
    """Checks the channels of a transposed convolution.

    Raises:
      ValueError: the padding is neither SAME nor VALID, or the channels of value, filter and output differ.
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be either VALID or SAME. Received: {padding!r}")
    if value.dims is not None and filter.dims is not None:
        got, wanted = windows.channel(value.dims, data_format), filter.dims[-1]
        if got is not None and wanted is not None and got != wanted:
            raise ValueError(
                f"input channels must match the filter's last axis, {got} != {wanted}. "
                f"Received: value {format_dims(value.dims)}, filter {format_dims(filter.dims)}"
            )
    dims = static_dims(sizes)
    if dims is not None and filter.dims is not None:
        got, wanted = windows.channel(dims, data_format), filter.dims[-2]
        if got is not None and wanted is not None and got != wanted:
            raise ValueError(
                f"output_shape's channels must match the filter's output channels, {got} != {wanted}. "
                f"Received: output_shape {format_dims(dims)}, filter {format_dims(filter.dims)}"
            )
