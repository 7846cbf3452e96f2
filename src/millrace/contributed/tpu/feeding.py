"""`tf.contrib.tpu`: tuples that host and computation hand to each other, by the number of a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import split


def _names(way: str, device_ordinal: int) -> str:
    # What runs on no device in particular uses the first.
    return f"tpu_{way}_{max(device_ordinal, 0)}"


def _put(way: str, tensors: Sequence[Any], device_ordinal: int, name: str | None) -> Any:
    values = [convert.to_tensor(x) for x in tensors]
    return raw.Stage(values, shared_name=_names(way, device_ordinal), name=name)


def _taken(
    way: str, kinds: Sequence[Any], shapes: Sequence[Any], device_ordinal: int, name: str | None
) -> list[Tensor]:
    kinds = [dtypes.as_dtype(d) for d in kinds]
    if len(kinds) != len(shapes):
        raise ValueError(f"there must be a shape for each dtype. Received: {kinds} and {shapes}")
    found = raw.Unstage(dtypes=kinds, shared_name=_names(way, device_ordinal), name=name)
    for tensor, shape in zip(found, shapes, strict=True):
        tensor.set_shape(shape)
    return list(found)


@public("contrib.tpu.infeed_enqueue")
def infeed_enqueue(
    input: Any, shape: Any = (), layout: Any = (), device_ordinal: int = -1, name: str | None = None
) -> Any:
    """An operation that hands a tensor to the computation; `shape` and `layout` are accepted.

    Args:
      input: the tensor.
      shape, layout: accepted.
      device_ordinal: the number of the device.
      name: of the operation.
    """
    del shape, layout
    return _put("infeed", [input], device_ordinal, name)


@public("contrib.tpu.infeed_enqueue_tuple")
def infeed_enqueue_tuple(
    inputs: Any, shapes: Any, layouts: Any = (), device_ordinal: int = -1, name: str | None = None
) -> Any:
    """As `infeed_enqueue`, for several tensors."""
    del shapes, layouts
    return _put("infeed", inputs, device_ordinal, name)


@public("contrib.tpu.infeed_dequeue")
def infeed_dequeue(dtype: Any, shape: Any, name: str | None = None) -> Tensor:
    """The next tensor that the host hands over; waits for it.

    Args:
      dtype, shape: of the tensor.
      name: of the operation.
    """
    return _taken("infeed", [dtype], [shape], 0, name)[0]


@public("contrib.tpu.infeed_dequeue_tuple")
def infeed_dequeue_tuple(dtypes: Any, shapes: Any, name: str | None = None) -> list[Tensor]:
    """As `infeed_dequeue`, for several tensors."""
    return _taken("infeed", dtypes, shapes, 0, name)


@public("contrib.tpu.outfeed_enqueue")
def outfeed_enqueue(input: Any, name: str | None = None) -> Any:
    """An operation that hands a tensor to the host."""
    return _put("outfeed", [input], 0, name)


@public("contrib.tpu.outfeed_enqueue_tuple", "contrib.tpu.python.ops.tpu_ops.outfeed_enqueue_tuple")
def outfeed_enqueue_tuple(inputs: Any, name: str | None = None) -> Any:
    """As `outfeed_enqueue`, for several tensors."""
    return _put("outfeed", inputs, 0, name)


@public("contrib.tpu.outfeed_dequeue")
def outfeed_dequeue(dtype: Any, shape: Any, device_ordinal: int = -1, name: str | None = None) -> Tensor:
    """The next tensor that the computation hands over; waits for it.

    Args:
      dtype, shape: of the tensor.
      device_ordinal: the number of the device.
      name: of the operation.
    """
    return _taken("outfeed", [dtype], [shape], device_ordinal, name)[0]


@public("contrib.tpu.outfeed_dequeue_tuple", "contrib.tpu.python.ops.tpu_ops.outfeed_dequeue_tuple")
def outfeed_dequeue_tuple(
    dtypes: Any, shapes: Any, device_ordinal: int = -1, name: str | None = None
) -> list[Tensor]:
    """As `outfeed_dequeue`, for several tensors."""
    return _taken("outfeed", dtypes, shapes, device_ordinal, name)


@public("contrib.tpu.InfeedQueue", "contrib.tpu.python.tpu.tpu_feed.InfeedQueue")
class InfeedQueue:
    """Tuples that a host feeds to a computation, split over shards.

    Args:
      number_of_tuple_elements: how many tensors a tuple has; default: as many as there are types or shapes.
      tuple_types, tuple_shapes, shard_dimensions: for each tensor its dtype, its shape and the axis along
        which it is split.
      name: of the operations.

    Raises:
      ValueError: nothing tells how many there are, or the lists are of different lengths.
    """

    def __init__(
        self,
        number_of_tuple_elements: int | None = None,
        tuple_types: Any = None,
        tuple_shapes: Any = None,
        shard_dimensions: Any = None,
        name: str | None = None,
    ) -> None:
        self._frozen = self._dequeued = self._enqueued = False
        self._name = "InfeedQueue" if name is None else name
        lists = [x for x in (tuple_types, tuple_shapes, shard_dimensions) if x is not None]
        if number_of_tuple_elements is None:
            if not lists:
                raise ValueError("tuple_types, tuple_shapes or number_of_tuple_elements must be given")
            number_of_tuple_elements = len(lists[0])
        if number_of_tuple_elements <= 0:
            raise ValueError(f"number_of_tuple_elements {number_of_tuple_elements} must be > 0")
        if any(len(x) != number_of_tuple_elements for x in lists):
            raise ValueError(f"every list must have {number_of_tuple_elements} elements. Received: {lists}")
        self._count = number_of_tuple_elements
        self._types = None if tuple_types is None else [dtypes.as_dtype(t) for t in tuple_types]
        self._shapes = None if tuple_shapes is None else [TensorShape(s) for s in tuple_shapes]
        self._axes = [0] * self._count if shard_dimensions is None else list(shard_dimensions)
        self._shards = 1

    @property
    def number_of_tuple_elements(self) -> int:
        """How many tensors a tuple has."""
        return self._count

    @property
    def tuple_types(self) -> Any:
        """The dtype of each, or None."""
        return self._types

    @property
    def tuple_shapes(self) -> Any:
        """The shape of each, before it is split, or None."""
        return self._shapes

    @property
    def number_of_shards(self) -> int:
        """Into how many parts a tuple is split."""
        return self._shards

    @property
    def shard_dimensions(self) -> list[Any]:
        """The axis along which each is split."""
        return self._axes

    def set_tuple_types(self, tuple_types: Any) -> None:
        """Says the dtype of each tensor."""
        self._types = [dtypes.as_dtype(t) for t in tuple_types]

    def set_tuple_shapes(self, tuple_shapes: Any) -> None:
        """Says the shape of each tensor."""
        self._shapes = [TensorShape(s) for s in tuple_shapes]

    def set_number_of_shards(self, number_of_shards: int) -> None:
        """Says into how many parts a tuple is split.

        Raises:
          ValueError: the queue is frozen with another number.
        """
        if self._frozen and number_of_shards != self._shards:
            raise ValueError(
                f"Can't set sharding policy to use {number_of_shards} shards since it has been "
                f"frozen to use {self._shards}."
            )
        self._shards = number_of_shards

    def set_shard_dimensions(self, shard_dimensions: Any) -> None:
        """Says the axis along which each tensor is split."""
        self._axes = list(shard_dimensions)

    def set_configuration_from_input_tensors(self, input_tensors: Any) -> None:
        """Takes dtypes and shapes from a tuple of tensors."""
        if len(input_tensors) != self._count:
            raise ValueError(
                f"input_tensors is {input_tensors}, but should be a list of {self._count} Tensors"
            )
        self._types = [x.dtype.base_dtype for x in input_tensors]
        self._shapes = [x.shape for x in input_tensors]

    def freeze(self) -> None:
        """Checks that dtypes and shapes are known, and keeps them.

        Raises:
          ValueError: they are not.
        """
        if self._types is None or self._shapes is None:
            raise ValueError("Can't freeze an InfeedQueue without setting all tuple types and shapes")
        self._frozen = True

    @property
    def sharded_tuple_shapes(self) -> list[list[Any]]:
        """The shape of each tensor's part."""
        result = []
        for shape, axis in zip(self._shapes or (), self._axes, strict=True):
            dims: list[Any] = shape.as_list()
            if axis is not None and dims[axis] is not None:
                dims[axis] //= self._shards
            result.append(dims)
        return result

    def generate_dequeue_op(self, tpu_device: int = 0) -> list[Tensor]:
        """The next tuple, for the computation; once for a queue.

        Raises:
          ValueError: it was called before.
        """
        del tpu_device
        self.freeze()
        if self._dequeued:
            raise ValueError("Can't generate two dequeue Ops from the same queue")
        self._dequeued = True
        return infeed_dequeue_tuple(self._types, self.sharded_tuple_shapes, name=f"{self._name}/dequeue")

    def split_inputs_and_generate_enqueue_ops(
        self,
        inputs: Any,
        device_assignment: Any = None,
        placement_function: Any = None,
        tpu_ordinal_function: Any = None,
    ) -> list[Any]:
        """Operations that hand the parts of a tuple over; once for a queue."""
        del device_assignment, placement_function, tpu_ordinal_function
        given = [convert.to_tensor(x) for x in inputs]
        pieces = [
            [x] * self._shards if axis is None or self._shards == 1 else split(x, self._shards, axis)
            for x, axis in zip(given, self._axes, strict=True)
        ]
        return self.generate_enqueue_ops([list(part) for part in zip(*pieces, strict=True)])

    def generate_enqueue_ops(
        self, sharded_inputs: Any, tpu_ordinal_function: Any = None, placement_function: Any = None
    ) -> list[Any]:
        """Operations that hand over one tuple for each shard, in order; once for a queue.

        Raises:
          ValueError: it was called before, or there are more or fewer tuples than shards.
        """
        del tpu_ordinal_function, placement_function
        if self._types is None:
            self.set_configuration_from_input_tensors([convert.to_tensor(x) for x in sharded_inputs[0]])
        self.freeze()
        if self._enqueued:
            raise ValueError("Can't generate two enqueue Ops from the same queue")
        if len(sharded_inputs) != self._shards:
            raise ValueError(
                f"there must be a tuple for each of {self._shards} shards. Received: {len(sharded_inputs)}"
            )
        self._enqueued = True
        made: list[Any] = []
        for i, one in enumerate(sharded_inputs):
            with control_dependencies(made[-1:]):
                made.append(_put("infeed", one, 0, f"{self._name}/enqueue/{i}"))
        return made


@public("contrib.tpu.python.tpu.tpu_feed._PartitionedInfeedQueue")
class _PartitionedInfeedQueue(InfeedQueue):
    """A queue whose tuples several cores of one replica share; here one device computes with the whole.

    Args:
      number_of_tuple_elements, tuple_types, tuple_shapes, name: as for `InfeedQueue`.
      device_assignment, host_id: accepted.
      input_partition_dims: for each tensor into how many parts each axis is cut; None or all 1.

    Raises:
      ValueError: a tensor is cut into several parts.
    """

    def __init__(
        self,
        number_of_tuple_elements: int | None,
        device_assignment: Any,
        host_id: int,
        input_partition_dims: Any = None,
        tuple_types: Any = None,
        tuple_shapes: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            number_of_tuple_elements=number_of_tuple_elements,
            tuple_types=tuple_types,
            tuple_shapes=tuple_shapes,
            name="PartitionedInfeedQueue" if name is None else name,
        )
        del device_assignment, host_id
        for dims in input_partition_dims or ():
            if dims is not None and any(int(d) != 1 for d in dims):
                raise ValueError(
                    f"one device takes whole tensors; use InfeedQueue. Received: partition {dims}"
                )
