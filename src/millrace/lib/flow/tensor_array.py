"""`TensorArray`: the Python face of tensor arrays."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("TensorArray")
class TensorArray:
    """A list of tensors of one dtype, read and written by index, for use in loops.

    Every write returns a new TensorArray, which must be used from then on.

    Args:
      dtype: of the elements.
      size: how many there are, an int or scalar int32 tensor.
      dynamic_size: let writes beyond the end grow it.
      clear_after_read: accepted; a read never takes an element away.
      tensor_array_name: accepted for TensorFlow's form.
      handle, flow: an existing array, in place of a new one.
      infer_shape: require the elements to have one static shape, and use it.
      element_shape: the static shape of the elements, as far as it is known.
      colocate_with_first_write_call: accepted; placement is the compiler's.
      name: op name.

    Raises:
      ValueError: neither `size` nor `flow` was given, or both.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Tensor | None = None,
        flow: Tensor | None = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None and tensor_array_name:
            raise ValueError("TensorArray: a handle and a tensor_array_name exclude each other")
        if handle is not None and size is not None:
            raise ValueError("TensorArray: a handle and a size exclude each other")
        if handle is None and size is None:
            raise ValueError("TensorArray: give a size, or the handle and flow of an existing array")
        self._dtype = dtypes.as_dtype(dtype).base_dtype
        self._infer = infer_shape
        self._element: shapes.Dims = None if element_shape is None else shapes.as_dims(element_shape)
        self._dynamic = bool(dynamic_size)
        if handle is not None:
            self._handle, self._flow = handle, handle if flow is None else flow
            return
        with name_scope(name, "TensorArray", [size]) as scope:
            self._handle, self._flow = raw.TensorArrayV3(
                to_tensor(size, dtypes.int32, "size"),
                dtype=self._dtype,
                element_shape=self._element,
                dynamic_size=self._dynamic,
                clear_after_read=clear_after_read is None or clear_after_read,
                identical_element_shapes=infer_shape,
                tensor_array_name=tensor_array_name or "",
                name=scope,
            )

    @property
    def flow(self) -> Tensor:
        """The contents, as a tensor that operations order themselves by."""
        return self._flow

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the elements."""
        return self._dtype

    @property
    def handle(self) -> Tensor:
        """The tensor that stands for the array itself."""
        return self._handle

    @property
    def element_shape(self) -> shapes.TensorShape:
        """The static shape of the elements, as far as it is known."""
        return shapes.shape_of(self._element)

    @property
    def dynamic_size(self) -> bool:
        """True where writes beyond the end grow the array."""
        return self._dynamic

    def with_flow(self, flow: Tensor) -> TensorArray:
        """This array with other contents."""
        new = TensorArray.__new__(TensorArray)
        new._dtype, new._infer, new._element = self._dtype, self._infer, self._element
        new._dynamic, new._handle, new._flow = self._dynamic, self._handle, flow
        return new

    def joined(self, other: TensorArray, handle: Tensor) -> TensorArray:
        """This array or another one, whichever a branch gave, by the handle that came out beside it."""
        new = self.with_flow(self._flow)
        new._handle = handle
        new._dynamic = self._dynamic or other._dynamic
        if self._element != other._element:
            new._element = shapes.most_general(self._element, other._element)
        return new

    def _learn(self, dims: shapes.Dims) -> None:
        """Takes the static shape of a written element.

        Raises:
          ValueError: it contradicts what is known.
        """
        if not self._infer:
            return
        try:
            self._element = shapes.merge(self._element, dims)
        except ValueError:
            raise ValueError(
                f"Inconsistent shapes: saw {shapes.shape_of(dims)} but expected "
                f"{shapes.shape_of(self._element)} (and infer_shape=True)"
            ) from None

    def _check(self, value: Tensor) -> None:
        if value.dtype.base_dtype is not self._dtype:
            raise TypeError(
                f"TensorArray of {self._dtype.name}: Received: {value.name} of dtype {value.dtype.name}"
            )

    def identity(self) -> TensorArray:
        """The same array behind a new flow."""
        return self.with_flow(raw.Identity(self._flow))

    def grad(self, source: str, flow: Tensor | None = None, name: str | None = None) -> TensorArray:
        """An empty array for gradients of this one."""
        with name_scope(name, "TensorArrayGrad", [self._handle]):
            zeros = raw.VariantZeros(self._flow if flow is None else flow)
        return self.with_flow(zeros)

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`, a scalar int."""
        value = raw.TensorArrayReadV3(self._handle, _int32(index), self._flow, dtype=self._dtype, name=name)
        if self._element is not None:
            value.set_shape(self._element)
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with `value` at `index`.

        Raises:
          TypeError: `value` has another dtype.
          ValueError: its static shape contradicts the elements'.
        """
        with name_scope(name, "TensorArrayWrite", [self._handle, index, value]):
            value = to_tensor(value, None if isinstance(value, Tensor) else self._dtype, "value")
            self._check(value)
            new = self.with_flow(self._flow)
            new._learn(value.dims)
            new._flow = raw.TensorArrayWriteV3(self._handle, _int32(index), value, self._flow)
        self._element = new._element
        return new

    def stack(self, name: str | None = None) -> Tensor:
        """All elements, stacked along a new first dimension."""
        with name_scope(name, "TensorArrayStack", [self._handle]):
            return self.gather(_range(self.size()))

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at `indices`, an int vector, stacked along a new first dimension."""
        return raw.TensorArrayGatherV3(
            self._handle,
            _int32(indices),
            self._flow,
            dtype=self._dtype,
            element_shape=self._element,
            name=name,
        )

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of `value` as its elements."""
        with name_scope(name, "TensorArrayUnstack", [self._handle, value]):
            value = to_tensor(value, None, "value")
            count = shape_tensor(value)[0]
            return self.scatter(_range(count), value)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of `value` at `indices`.

        Raises:
          ValueError: the static shape of a row contradicts the elements'.
        """
        with name_scope(name, "TensorArrayScatter", [self._handle, value, indices]):
            value = to_tensor(value, None if isinstance(value, Tensor) else self._dtype, "value")
            self._check(value)
            new = self.with_flow(self._flow)
            if value.dims is not None:
                new._learn(value.dims[1:])
            new._flow = raw.TensorArrayScatterV3(self._handle, _int32(indices), value, self._flow)
        self._element = new._element
        return new

    def concat(self, name: str | None = None) -> Tensor:
        """The elements end to end along their first dimension."""
        rest = None if not self._element else self._element[1:]
        value, _ = raw.TensorArrayConcatV3(
            self._handle, self._flow, dtype=self._dtype, element_shape_except0=rest, name=name
        )
        return value

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array with pieces of `value`, of the given int64 lengths, as its elements."""
        with name_scope(name, "TensorArraySplit", [self._handle, value, lengths]):
            value = to_tensor(value, None if isinstance(value, Tensor) else self._dtype, "value")
            self._check(value)
            lengths = to_tensor(lengths, None if isinstance(lengths, Tensor) else dtypes.int64)
            if lengths.dtype is dtypes.int32:
                lengths = raw.Cast(lengths, DstT=dtypes.int64)
            new = self.with_flow(self._flow)
            if value.dims is not None:
                new._learn((None, *value.dims[1:]))
            new._flow = raw.TensorArraySplitV3(
                self._handle, value, lengths, self._flow, name="TensorArraySplit"
            )
        self._element = new._element
        return new

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are, a scalar int32."""
        return raw.TensorArraySizeV3(self._handle, self._flow, name=name)

    def close(self, name: str | None = None) -> Any:
        """An operation that does nothing: arrays are freed by themselves."""
        return raw.TensorArrayCloseV3(self._handle, name=name)


def _range(count: Tensor) -> Tensor:
    with name_scope("range", None, [count]) as scope:
        start, delta = to_tensor(0, name="start"), to_tensor(1, name="delta")
        return raw.Range(start, count, delta, name=scope)


def _int32(value: Any) -> Any:
    """Numbers as the operation takes them, which then names their constant; a tensor must be int32."""
    return to_tensor(value, dtypes.int32) if isinstance(value, Tensor) else value
