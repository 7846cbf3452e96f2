"""Arguments of layers brought into one form, and lengths of what convolutions give: `layers.utils`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.flow.static_branch import smart_cond, smart_constant_value
from millrace.lib.variables.variable import Variable

_FORMATS = {
    3: {"channels_last": "NWC", "channels_first": "NCW"},
    4: {"channels_last": "NHWC", "channels_first": "NCHW"},
    5: {"channels_last": "NDHWC", "channels_first": "NCDHW"},
}


@public("python.layers.utils.convert_data_format", "python.keras.utils.conv_utils.convert_data_format")
def convert_data_format(data_format: str, ndim: int) -> str:
    """Keras's name of a layout as operations call it: "channels_last" of rank 4 is "NHWC".

    Raises:
      ValueError: another rank or layout.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"Invalid data_format: {data_format!r}")
    if ndim not in _FORMATS:
        raise ValueError(f"Input rank not supported: {ndim}")
    return _FORMATS[ndim][data_format]


@public("python.layers.utils.normalize_tuple", "python.keras.utils.conv_utils.normalize_tuple")
def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """`n` integers from one or from `n`.

    Args:
      value: an integer or `n` of them.
      n: how many.
      name: what to call it in an error.

    Raises:
      ValueError: it is something else.
    """
    said = f"The `{name}` argument must be a tuple of {n} integers. Received: {value}"
    if isinstance(value, int):
        return (value,) * n
    try:
        values = tuple(value)
    except TypeError:
        raise ValueError(said) from None
    if len(values) != n:
        raise ValueError(said)
    for single in values:
        try:
            int(single)
        except (ValueError, TypeError):
            raise ValueError(f"{said} including element {single} of type {type(single)}") from None
    return values


@public("python.layers.utils.normalize_data_format")
def normalize_data_format(value: str) -> str:
    """The name of a layout in lower case.

    Raises:
      ValueError: it is neither "channels_first" nor "channels_last".
    """
    layout = value.lower()
    if layout not in ("channels_first", "channels_last"):
        raise ValueError(
            f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {value}'
        )
    return layout


@public("python.layers.utils.normalize_padding", "python.keras.utils.conv_utils.normalize_padding")
def normalize_padding(value: str) -> str:
    """The name of a padding in lower case.

    Raises:
      ValueError: it is neither "valid" nor "same".
    """
    padding = value.lower()
    if padding not in ("valid", "same"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same". Received: {padding}')
    return padding


def _check_padding(padding: str, known: tuple[str, ...]) -> None:
    if padding not in known:
        raise AssertionError(f"padding must be one of {known}. Received: {padding!r}")


@public("python.layers.utils.conv_output_length", "python.keras.utils.conv_utils.conv_output_length")
def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """The length of what a convolution gives.

    Args:
      input_length: the length of its input; None: unknown.
      filter_size: the length of the filter.
      padding: "same", "valid", "full" or "causal".
      stride: the stride.
      dilation: the distance of the filter's elements.
    """
    if input_length is None:
        return None
    _check_padding(padding, ("same", "valid", "full", "causal"))
    reach = (filter_size - 1) * dilation
    length = input_length + {"valid": -reach, "full": reach}.get(padding, 0)
    return (length + stride - 1) // stride


@public("python.layers.utils.conv_input_length", "python.keras.utils.conv_utils.conv_input_length")
def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The length of the input of a convolution that gives `output_length`.

    Args:
      output_length: the length of its output; None: unknown.
      filter_size: the length of the filter.
      padding: "same", "valid" or "full".
      stride: the stride.
    """
    if output_length is None:
        return None
    _check_padding(padding, ("same", "valid", "full"))
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


@public("python.layers.utils.deconv_output_length")
def deconv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The length of what a transposed convolution gives.

    Args:
      input_length: the length of its input; None: unknown.
      filter_size: the length of the filter.
      padding: "same", "valid" or "full".
      stride: the stride.
    """
    if input_length is None:
        return None
    length = input_length * stride
    if padding == "valid":
        return length + max(filter_size - stride, 0)
    return length - (stride + filter_size - 2) if padding == "full" else length


@public("python.keras.utils.conv_utils.deconv_output_length")
def padded_deconv_output_length(
    input_length: int | None,
    filter_size: int,
    padding: str,
    output_padding: int | None = None,
    stride: int = 0,
    dilation: int = 1,
) -> int | None:
    """The length of what a transposed convolution of Keras gives.

    Args:
      input_length: the length of its input; None: unknown.
      filter_size: the length of the filter.
      padding: "same", "valid" or "full".
      output_padding: how much longer the output is on one side; None: as much as makes it a multiple.
      stride: the stride.
      dilation: the distance of the filter's elements.
    """
    _check_padding(padding, ("same", "valid", "full"))
    if input_length is None:
        return None
    reach = (filter_size - 1) * dilation + 1
    if output_padding is None:
        return deconv_output_length(input_length, reach, padding, stride)
    pad = {"same": reach // 2, "valid": 0, "full": reach - 1}[padding]
    return (input_length - 1) * stride + reach - 2 * pad + output_padding


@public("python.layers.utils.object_list_uid", "python.keras.utils.generic_utils.object_list_uid")
def object_list_uid(object_list: Any) -> str:
    """The identities of objects, as one string."""
    flat = object_list if isinstance(object_list, list | tuple) else [object_list]
    return ", ".join(str(abs(id(item))) for item in flat)


@public("python.layers.utils.static_shape")
def static_shape(x: Any) -> tuple[int | None, ...] | None:
    """The static shape as a tuple; None where its rank is unknown or `x` has none."""
    dims = getattr(x, "dims", None)
    return None if dims is None else tuple(dims)


@public(
    "python.layers.utils.get_reachable_from_inputs", "python.keras.utils.tf_utils.get_reachable_from_inputs"
)
def get_reachable_from_inputs(inputs: Iterable[Any], targets: Iterable[Any] | None = None) -> set[Any]:
    """Tensors and operations that come after `inputs`, and these.

    Args:
      inputs: tensors, operations or variables.
      targets: once all of these are found, the search ends.
    """
    wanted = None if targets is None else set(targets)
    reached = {getattr(x, "handle", x) if not isinstance(x, Tensor | Operation) else x for x in inputs}
    queue = list(reached)
    while queue:
        x = queue.pop()
        after: Iterable[Any]
        if isinstance(x, Operation):
            after = x.outputs
        elif isinstance(x, Tensor):
            after = x.consumers()
        else:
            after = [x.op] if hasattr(x, "op") else []
        for y in after:
            if y not in reached:
                reached.add(y)
                queue.append(y)
        if wanted is not None and wanted <= reached:
            break
    return reached


@public("python.layers.utils.constant_value", "python.keras.utils.tf_utils.constant_value")
def constant_value(pred: Any) -> Any:
    """What a condition is known to be; None where it is a variable.

    Raises:
      TypeError: `pred` is not a tensor, a variable, a bool, 0 or 1.
    """
    return None if isinstance(pred, Variable) else smart_constant_value(pred)


@public("python.layers.utils.smart_cond", "python.keras.utils.tf_utils.smart_cond")
def smart_cond_or_variable(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """`smart_cond` whose condition may also be a variable; that one is not known before the graph runs.

    Args:
      pred: a bool, 0, 1, a bool scalar or a variable.
      true_fn: what to call where it holds.
      false_fn: what to call where it does not.
      name: a scope for `tf.cond`.
    """
    if isinstance(pred, Variable):
        return cond(pred, true_fn, false_fn, name=name)
    return smart_cond(pred, true_fn, false_fn, name)


@public("python.keras.utils.conv_utils.convert_kernel")
def convert_kernel(kernel: Any) -> Any:
    """A kernel of a convolution turned round along its spatial axes, as other libraries keep it.

    Args:
      kernel: an array of rank 3, 4 or 5.

    Raises:
      ValueError: the rank is another.
    """
    if not 3 <= kernel.ndim <= 5:
        raise ValueError("Invalid kernel shape:", kernel.shape)
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)].copy()


@public("python.keras.utils.conv_utils.conv_output_shape")
def conv_output_shape(
    input_shape: Any, kernel_shape: Any, strides: Any, padding: str
) -> tuple[int | None, ...]:
    """How many places a window has along each spatial axis.

    Args:
      input_shape, kernel_shape, strides: the lengths of the axes, of the window, and its steps.
      padding: "valid", "same" or another that `conv_output_length` knows.
    """
    parts = zip(input_shape, kernel_shape, strides, strict=True)
    return tuple(conv_output_length(length, window, padding, step) for length, window, step in parts)
