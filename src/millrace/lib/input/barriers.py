"""Barriers: the Python face."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.input.components import all_known, as_dtypes, as_shapes


@public("python.ops.data_flow_ops.Barrier")
class Barrier:
    """Tuples whose components come one by one, under a key; a tuple is there to be taken when it is complete.

    Args:
      types: dtypes of a tuple's components.
      shapes: of the components, all known; or None.
      shared_name: under which sessions share it.
      name: of the operation, and what the names of the others begin with.

    Raises:
      ValueError: there are no types, or a shape is not known.
    """

    def __init__(
        self, types: Any, shapes: Any = None, shared_name: str | None = None, name: str = "barrier"
    ) -> None:
        self._types = as_dtypes(types)
        self._shapes = all_known(as_shapes(shapes, len(self._types)))
        described = [None] * len(self._types) if self._shapes is None else [s.dims for s in self._shapes]
        self._ref = raw.Barrier(
            component_types=self._types, shapes=described, shared_name=shared_name or "", name=name
        )

    @property
    def barrier_ref(self) -> Tensor:
        """The handle, a reference to strings."""
        return self._ref

    @property
    def name(self) -> str:
        """The name of its operation."""
        return self._ref.op.name

    def _named(self, name: str | None, verb: str) -> str:
        return name or f"{self.name.rpartition('/')[2]}_Barrier{verb}"

    def insert_many(self, component_index: int, keys: Any, values: Any, name: str | None = None) -> Operation:
        """An operation that gives a component of the tuples of some keys its values.

        Args:
          component_index: which component.
          keys: strings `[n]`.
          values: `[n, ...]`, of the component's dtype.
          name: of the operation.

        Raises:
          ValueError: there are not as many values as keys.
        """
        return raw.BarrierInsertMany(
            self._ref, keys, values, component_index=component_index, name=self._named(name, "InsertMany")
        )

    def take_many(
        self,
        num_elements: Any,
        allow_small_batch: bool = False,
        timeout: int | None = None,
        name: str | None = None,
    ) -> Any:
        """Complete tuples, in the order in which their first components came, waited for.

        Args:
          num_elements: how many, an int32.
          allow_small_batch: give what there is where the barrier is closed and fewer are left.
          timeout: milliseconds to wait; None for any time.
          name: of the operation.

        Returns:
          `(indices, keys, values)`: when the first component of each tuple came, int64 `[n]`, the keys,
          and the components.
        """
        found = raw.BarrierTakeMany(
            self._ref,
            num_elements,
            component_types=self._types,
            allow_small_batch=allow_small_batch,
            timeout_ms=-1 if timeout is None else timeout,
            name=self._named(name, "TakeMany"),
        )
        size = num_elements if isinstance(num_elements, int) and not allow_small_batch else None
        for tensor in (found.indices, found.keys):
            tensor.set_shape([size])
        for tensor, dims in zip(found.values, self._shapes or [], strict=False):
            tensor.set_shape([size, *dims.as_list()])
        return found

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """An operation after which no new keys come, with `cancel_pending_enqueues` no components either."""
        return raw.BarrierClose(
            self._ref,
            cancel_pending_enqueues=cancel_pending_enqueues,
            name=self._named(name, "Close"),
        )

    def ready_size(self, name: str | None = None) -> Tensor:
        """How many tuples are complete, a scalar int32."""
        return raw.BarrierReadySize(self._ref, name=self._named(name, "ReadySize"))

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many tuples lack components, a scalar int32."""
        return raw.BarrierIncompleteSize(self._ref, name=self._named(name, "IncompleteSize"))
