"""Queues: the Python face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.input.components import all_known, as_dtypes, as_shapes
from millrace.opkit.random.seeds import get_seed
from millrace.ops.array import concat, gather


@public("QueueBase", "queue.QueueBase", "io.QueueBase")
class QueueBase:
    """A queue of tuples of tensors that threads hand each other; see its subclasses.

    Args:
      dtypes: of an element's components.
      shapes: of the components, or None.
      names: of the components, or None; elements are then dictionaries.
      queue_ref: the handle.

    Raises:
      ValueError: there are not as many shapes or names as dtypes.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Tensor) -> None:
        self._dtypes = list(dtypes)
        self._shapes = None if shapes is None else list(shapes)
        if self._shapes is not None and len(self._shapes) != len(self._dtypes):
            raise ValueError(
                f"Queue: one shape is needed for each of {len(self._dtypes)} dtypes. Received: {shapes!r}"
            )
        self._names = list(names) if names is not None else None
        if self._names is not None and len(self._names) != len(self._dtypes):
            raise ValueError(
                f"Queue: one name is needed for each of {len(self._dtypes)} dtypes. Received: {names!r}"
            )
        self._queue_ref = queue_ref
        self._name = queue_ref.op.name.split("/")[-1]

    @staticmethod
    def from_list(index: Any, queues: Any) -> QueueBase:
        """The queue numbered `index` of `queues`, chosen anew in every run.

        Args:
          index: a scalar int32 or int64, a tensor for example.
          queues: a list of queues with the same dtypes and names of components.

        Raises:
          TypeError: one of them is not a queue, or dtypes or names differ.
        """
        queues = list(queues) if isinstance(queues, list | tuple) else queues
        if not queues or not isinstance(queues, list) or any(not isinstance(q, QueueBase) for q in queues):
            raise TypeError(f"from_list: a list of queues is needed. Received: {queues!r}")
        first = queues[0]
        for what in ("dtypes", "names"):
            found = [getattr(q, what) for q in queues]
            if any(f != found[0] for f in found):
                raise TypeError(f"Queues do not have matching component {what}. Received: {found}")
        merged = [_common_shape([q.shapes[i] for q in queues]) for i in range(len(first.dtypes))]
        handle = gather.gather(concat.stack([q.queue_ref for q in queues]), index)
        return QueueBase(dtypes=first.dtypes, shapes=merged, names=first.names, queue_ref=handle)

    @property
    def queue_ref(self) -> Tensor:
        """The handle."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The name of the operation that makes the queue."""
        return self._queue_ref.op.name

    @property
    def dtypes(self) -> list[dtypes.DType]:
        """The dtypes of an element's components."""
        return self._dtypes

    @property
    def shapes(self) -> list[shapes.TensorShape]:
        """The shapes of an element's components."""
        return [shapes.shape_of(None)] * len(self._dtypes) if self._shapes is None else self._shapes

    @property
    def names(self) -> list[str] | None:
        """The names of an element's components, or None."""
        return self._names

    def _components(self, values: Any) -> list[Any]:
        if isinstance(values, Mapping):
            if self._names is None:
                raise ValueError(f"Queue '{self.name}': it has no names, so elements may not be dictionaries")
            if sorted(self._names) != sorted(values):
                raise ValueError(
                    f"Queue '{self.name}': keys must be {self._names}. Received: {sorted(values)}"
                )
            values = [values[n] for n in self._names]
        elif self._names is not None:
            raise ValueError(
                f"Queue '{self.name}': it has names, so elements must be dictionaries. Received: {values!r}"
            )
        elif not isinstance(values, list | tuple):
            values = [values]
        return list(values)

    def _converted(self, values: list[Any]) -> list[Tensor]:
        return [
            convert.to_tensor(value, dtype, f"component_{i}")
            for i, (value, dtype) in enumerate(zip(values, self._dtypes, strict=False))
        ]

    def _check_count(self, values: list[Any]) -> None:
        """An element has as many components as the queue."""
        if len(values) != len(self._dtypes):
            raise refusal(
                f"Queue '{self.name}': elements have {len(self._dtypes)} components. Received: {len(values)}",
            )

    def _check_shapes(self, tensors: list[Tensor], found: list[shapes.Dims]) -> None:
        for i, (dims, wanted) in enumerate(zip(found, self.shapes, strict=False)):
            if not shapes.compatible(dims, shapes.as_dims(wanted)):
                raise ValueError(
                    f"Shapes {shapes.shape_of(dims)} and {wanted} are incompatible: "
                    f"component {i} of queue '{self.name}', {tensors[i].name}"
                )

    def _check_rows(self, tensors: list[Tensor]) -> None:
        """The components of many elements have as many rows each."""
        rows = {t.dims[0] for t in tensors if t.dims}
        if any(t.dims == () for t in tensors) or len(rows - {None}) > 1:
            shown = [str(shapes.shape_of(t.dims)) for t in tensors]
            raise ValueError(
                f"Queue '{self.name}': the components of many elements need a row for each element. "
                f"Received shapes: {', '.join(shown)}"
            )

    def _result(self, tensors: list[Tensor]) -> Any:
        if self._names is not None:
            return dict(zip(self._names, tensors, strict=True))
        return tensors[0] if len(tensors) == 1 else tensors

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """An operation that adds one element, waiting for room.

        Args:
          vals: a tensor, list of tensors, or dictionary where the queue has names.
          name: op name.

        Raises:
          CancelledError: when run, if the queue is closed.
        """
        with name_scope(name, f"{self._name}_enqueue", _tensors(vals)) as scope:
            values = self._components(vals)
            tensors = self._converted(values)
            self._check_shapes(tensors, [t.dims for t in tensors])
            self._check_count(values)
            return raw.QueueEnqueueV2(self._queue_ref, tensors, name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """An operation that adds one element for each row of `vals`.

        Raises:
          ValueError: the components have no rows, or not as many each.
          CancelledError: when run, if the queue is closed.
        """
        with name_scope(name, f"{self._name}_EnqueueMany", _tensors(vals)) as scope:
            values = self._components(vals)
            tensors = self._converted(values)
            self._check_rows(tensors)
            self._check_shapes(tensors, [t.dims if t.dims is None else t.dims[1:] for t in tensors])
            self._check_count(values)
            return raw.QueueEnqueueManyV2(self._queue_ref, tensors, name=scope)

    def dequeue(self, name: str | None = None) -> Any:
        """The next element, waited for.

        Raises:
          OutOfRangeError: when run, if the queue is closed and empty.
        """
        found = raw.QueueDequeueV2(
            self._queue_ref, component_types=self._dtypes, name=name or f"{self._name}_Dequeue"
        )
        for tensor, shape in zip(found, self.shapes, strict=True):
            tensor.set_shape(shape)
        return self._result(found)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """The next `n` elements, stacked along a new first dimension."""
        found = raw.QueueDequeueManyV2(
            self._queue_ref, n, component_types=self._dtypes, name=name or f"{self._name}_DequeueMany"
        )
        value = static_value(found[0].op.inputs[1])
        return self._batched(found, None if value is None else int(value))

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """The next `n` elements, or what is left in a closed queue, stacked along a new first dimension."""
        found = raw.QueueDequeueUpToV2(
            self._queue_ref, n, component_types=self._dtypes, name=name or f"{self._name}_DequeueUpTo"
        )
        return self._batched(found, None)

    def _batched(self, tensors: list[Tensor], count: int | None) -> Any:
        for tensor, shape in zip(tensors, self.shapes, strict=True):
            dims = shapes.as_dims(shape)
            tensor.set_shape(None if dims is None else (count, *dims))
        return self._result(tensors)

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """An operation that closes the queue; with `cancel_pending_enqueues`, those that wait for room
        fail.
        """
        return raw.QueueCloseV2(
            self._queue_ref,
            cancel_pending_enqueues=cancel_pending_enqueues,
            name=name or f"{self._name}_Close",
        )

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue is closed, a scalar bool."""
        return raw.QueueIsClosedV2(self._queue_ref, name=name or f"{self._name}_Is_Closed")

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are, a scalar int32."""
        return raw.QueueSizeV2(self._queue_ref, name=name or f"{self._name}_Size")


def _tensors(values: Any) -> list[Any]:
    if isinstance(values, Mapping):
        values = list(values.values())
    return [v for v in (values if isinstance(values, list | tuple) else [values]) if isinstance(v, Tensor)]


def _common_shape(found: list[shapes.TensorShape]) -> shapes.TensorShape:
    """What several shapes have in common."""
    dims = [shapes.as_dims(s) for s in found]
    if any(d is None or len(d) != len(dims[0] or ()) for d in dims):
        return shapes.shape_of(None)
    return shapes.shape_of(tuple(c[0] if len(set(c)) == 1 else None for c in zip(*dims, strict=True)))  # type: ignore


def _as_names(given: Any) -> list[str] | None:
    if given is None:
        return None
    return list(given) if isinstance(given, list | tuple) else [given]


@public("FIFOQueue", "queue.FIFOQueue")
class FIFOQueue(QueueBase):
    """A first-in, first-out queue.

    Args:
      capacity: how many elements fit; negative for any number.
      dtypes: of an element's components.
      shapes: of the components, fully known; needed to dequeue several at once.
      names: of the components; elements are then dictionaries.
      shared_name: the queue's name in the session; default: the op name.
      name: op name.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        kinds = as_dtypes(dtypes)
        dims = all_known(as_shapes(shapes, len(kinds)))
        handle = raw.FIFOQueueV2(
            component_types=kinds,
            shapes=dims or (),
            capacity=capacity,
            shared_name=shared_name or "",
            name=name,
        )
        super().__init__(kinds, dims, _as_names(names), handle)


@public("PaddingFIFOQueue", "queue.PaddingFIFOQueue", "io.PaddingFIFOQueue")
class PaddingFIFOQueue(QueueBase):
    """A first-in, first-out queue that pads the elements of a batch with zeros; arguments as for `FIFOQueue`.

    Raises:
      ValueError: shapes are missing.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        kinds = as_dtypes(dtypes)
        if not isinstance(shapes, list | tuple) or any(s is None or isinstance(s, int) for s in shapes):
            raise ValueError(
                f"PaddingFIFOQueue: a list of shapes is needed, one for each component. Received: {shapes!r}"
            )
        dims = as_shapes(shapes, len(kinds))
        if dims is None or len(dims) != len(kinds) or any(d.ndims is None for d in dims):
            raise ValueError(
                f"PaddingFIFOQueue: one shape of known rank is needed for each of {len(kinds)} dtypes. "
                f"Received: {shapes!r}"
            )
        handle = raw.PaddingFIFOQueueV2(
            component_types=kinds, shapes=dims, capacity=capacity, shared_name=shared_name or "", name=name
        )
        super().__init__(kinds, dims, _as_names(names), handle)


@public("RandomShuffleQueue", "queue.RandomShuffleQueue", "io.RandomShuffleQueue")
class RandomShuffleQueue(QueueBase):
    """A queue whose elements come out in random order; arguments as for `FIFOQueue`, and:

    Args:
      min_after_dequeue: how many elements stay in the queue to choose from, until it is closed.
      seed: makes the order repeatable.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        kinds = as_dtypes(dtypes)
        dims = all_known(as_shapes(shapes, len(kinds)))
        first, second = get_seed(seed)
        handle = raw.RandomShuffleQueueV2(
            component_types=kinds,
            shapes=dims or (),
            capacity=capacity,
            min_after_dequeue=min_after_dequeue,
            seed=first or 0,
            seed2=second or 0,
            shared_name=shared_name or "",
            name=name,
        )
        super().__init__(kinds, dims, _as_names(names), handle)


@public("PriorityQueue", "queue.PriorityQueue", "io.PriorityQueue")
class PriorityQueue(QueueBase):
    """A queue ordered by an int64 that comes before the other components; arguments as for `FIFOQueue`."""

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        kinds = as_dtypes(types)
        dims = all_known(as_shapes(shapes, len(kinds)))
        handle = raw.PriorityQueueV2(
            component_types=kinds,
            shapes=dims or (),
            capacity=capacity,
            shared_name=shared_name or "",
            name=name,
        )
        priority = as_shapes([()], 1) or []
        super().__init__(
            [dtypes.int64, *kinds], None if dims is None else [*priority, *dims], _as_names(names), handle
        )
