"""What programs take from TensorFlow's private `nn_ops`: shapes and arguments of convolutions and dropout."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import concat
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import rank
from millrace.ops.array.slicing import slice_


@public("python.ops.nn_ops._flatten_outer_dims")
def flatten_outer_dims(logits: Tensor) -> Tensor:
    """`[..., classes]` as a matrix `[all the others, classes]`."""
    axes, sizes = rank(logits), convert.shape_tensor(logits)
    columns = slice_(sizes, [raw.Sub(axes, 1)], [1])
    flat = reshape(logits, concat([[-1], columns], 0))
    dims = logits.dims
    if dims is not None and None not in dims[:-1]:
        flat.set_shape([shapes.num_elements(dims[:-1]), dims[-1]])
    return flat


@public("python.ops.nn_ops._get_noise_shape")
def get_noise_shape(x: Tensor, noise_shape: Any) -> Any:
    """The shape of dropout's random numbers.

    Args:
      x: what is thinned.
      noise_shape: None for the shape of `x`; sizes, of which an unknown one is that of `x`; or a tensor.

    Returns:
      A tensor; a TensorShape; or `noise_shape`, where it is no shape of the rank of `x`.
    """
    if noise_shape is None:
        return convert.shape_tensor(x)
    if isinstance(noise_shape, Tensor):
        return noise_shape
    try:
        wanted = shapes.as_dims(noise_shape)
    except (TypeError, ValueError):
        return noise_shape
    if x.dims is None or wanted is None or len(x.dims) != len(wanted):
        return noise_shape
    return shapes.shape_of(tuple(o if n is None else n for n, o in zip(wanted, x.dims, strict=True)))


@public("python.ops.nn_ops._get_sequence")
def get_sequence(value: Any, n: int, channel_index: int, name: str) -> list[int]:
    """Strides or dilations of every axis.

    Args:
      value: None for ones; one number for all spatial axes; one for each; or one for every axis.
      n: how many spatial axes there are.
      channel_index: the axis of the channels, 1 or n + 1.
      name: the argument's name, for the message.

    Raises:
      ValueError: there are others.
    """
    given = [1] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    if len(given) == n + 2:
        return given
    if len(given) not in (1, n):
        raise ValueError(f"{name} should be of length 1, {n} or {n + 2} but was {len(given)}")
    spatial = given * n if len(given) == 1 else given
    return [1, 1, *spatial] if channel_index == 1 else [1, *spatial, 1]


@public("python.ops.nn_ops._convert_padding")
def convert_padding(padding: Any) -> tuple[Any, list[int]]:
    """The padding of a convolution as its attributes `padding` and `explicit_paddings`.

    Args:
      padding: a string, or for each of the four axes how much is added before and behind.

    Raises:
      ValueError: the lists are not those of four axes, or the string is "EXPLICIT".
    """
    if padding == "EXPLICIT":
        raise ValueError(
            '"EXPLICIT" is not a valid value for the padding parameter. To use explicit padding, the padding '
            "parameter must be a list."
        )
    if not isinstance(padding, list | tuple):
        return padding, []
    for i, pair in enumerate(padding):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                f"When padding is a list, each element of padding must be a list/tuple of size 2. "
                f"Element with index {i} of padding is {pair!r}"
            )
    if len(padding) != 4:
        raise ValueError(f"When padding is a list, it must be of size 4. Got padding of size: {len(padding)}")
    return "EXPLICIT", [size for pair in padding for size in pair]


@public("python.ops.nn_ops.xw_plus_b_v1")
def xw_plus_b_v1(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """x * weights + biases, with a `BiasAddV1`.

    Args:
      x: `[batch, in]`.
      weights: `[in, out]`.
      biases: `[out]`.
      name: scope; default "xw_plus_b_v1".
    """
    with name_scope(name, "xw_plus_b_v1", [x, weights, biases]) as scope:
        x, weights, biases = (
            convert.to_tensor(value, name=called)
            for value, called in ((x, "x"), (weights, "weights"), (biases, "biases"))
        )
        return raw.BiasAddV1(raw.MatMul(x, weights), biases, name=scope)
