"""`GradientTape` in a graph: the recording is the graph itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.autodiff.gradients import gradients
from millrace.building import convert, raw
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor


@public("UnconnectedGradients")
class UnconnectedGradients:
    """What a gradient is where a target does not depend on a source: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


@public("GradientTape", "contrib.eager.GradientTape")
class GradientTape:
    """Derivatives of what was computed inside a `with` block.

    Args:
      persistent: let `gradient` be called more than once.
      watch_accessed_variables: whether variables that are read inside count as watched; what can be
        differentiated does not depend on it, for a graph records everything.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._used = False
        self._watched: list[Any] = []
        self._notes_reads = watch_accessed_variables
        self._begins: tuple[Graph, int] | None = None  # recording since this operation of this graph
        self._left_out: list[Tensor] = []  # what was computed while the recording was stopped

    def __enter__(self) -> GradientTape:
        graph = get_default_graph()
        self._begins = (graph, len(graph.ops))
        return self

    def __exit__(self, *error: Any) -> None:
        self._watched.extend(self._read())
        self._begins = None

    def watch(self, tensor: Any) -> None:
        """Accepted: every tensor can be differentiated."""
        self._watched.extend(nest.flatten(tensor))

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A context in which nothing is recorded: no gradient goes through what is computed inside."""
        graph = get_default_graph()
        first = len(graph.ops)
        self.__exit__()
        try:
            yield
        finally:
            self._left_out += [tensor for op in graph.ops[first:] for tensor in op.outputs]
            self.__enter__()

    def reset(self) -> None:
        """Forgets what was watched."""
        self._watched.clear()
        self._used = False
        if self._begins is not None:
            self.__enter__()

    def watched_variables(self) -> tuple[Any, ...]:
        """The trainable variables, named by handles, that were read inside the block or given to `watch`."""
        found = dict.fromkeys([*self._watched, *self._read()])
        return tuple(v for v in found if getattr(v, "handle", None) is not None)

    def _read(self) -> list[Any]:
        """The trainable variables that operations since the beginning take, those that set them up apart."""
        if self._begins is None or not self._notes_reads:
            return []
        graph, start = self._begins
        variables = [
            v for v in graph.get_collection("trainable_variables") if getattr(v, "handle", None) is not None
        ]
        by_handle = {v.handle.op: v for v in variables}
        own = {op for v in variables for op in (v.initializer, v._snapshot.op)}
        return [
            by_handle[t.op]
            for op in graph.ops[start:]
            if op not in own and op.type != "VarIsInitializedOp"
            for t in op.inputs
            if t.op in by_handle
        ]

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: Any = "none"
    ) -> Any:
        """The derivatives of `target` with respect to `sources`, in the structure of `sources`.

        Raises:
          RuntimeError: called again on a tape that is not persistent.
        """
        if self._used and not self._persistent:
            raise RuntimeError("GradientTape.gradient can only be called once on non-persistent tapes.")
        self._used = True
        flat = nest.flatten(sources)
        given = None if output_gradients is None else nest.flatten(output_gradients)
        found = gradients(
            nest.flatten(target),
            flat,
            given,
            stop_gradients=self._left_out or None,
            unconnected_gradients=unconnected_gradients,
        )
        return nest.pack_sequence_as(sources, found)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The derivatives of each element of `target`, of known size: shape of the target, then of the
        source.

        Raises:
          ValueError: the target's static shape is not whole.
        """
        flat_sources = nest.flatten(sources)
        target = convert.convert_to_tensor(target)
        if not target.shape.is_fully_defined():
            raise ValueError(
                f"jacobian: the target's shape must be known. Received: {target.name} of shape {target.shape}"
            )
        elements = raw.Unpack(raw.Reshape(target, [-1]), num=target.shape.num_elements(), axis=0)
        stops = self._left_out or None
        rows = [
            gradients(e, flat_sources, stop_gradients=stops, unconnected_gradients=unconnected_gradients)
            for e in elements
        ]
        found = []
        for i, source in enumerate(flat_sources):
            column = [row[i] for row in rows]
            if any(g is None for g in column):
                found.append(None)
                continue
            shape = [*target.shape.as_list(), *convert.convert_to_tensor(source).shape.as_list()]
            found.append(raw.Reshape(raw.Pack([convert.convert_to_tensor(g) for g in column]), shape))
        return nest.pack_sequence_as(sources, found)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """For a target whose rows depend on the same rows of `source` alone: `[batch, target..., source...]`.

        Raises:
          ValueError: the shapes of a row are not known.
        """
        target, source = convert.convert_to_tensor(target), convert.convert_to_tensor(source)
        rest = target.shape[1:]
        if not rest.is_fully_defined() or not source.shape[1:].is_fully_defined():
            raise ValueError(
                f"batch_jacobian: the shapes of rows must be known. Received: {target.shape}, {source.shape}"
            )
        size = rest.num_elements()
        columns = raw.Unpack(raw.Reshape(target, [-1, size]), num=size, axis=1)
        stops = self._left_out or None
        rows = [
            gradients(c, source, stop_gradients=stops, unconnected_gradients=unconnected_gradients)[0]
            for c in columns
        ]
        if any(g is None for g in rows):
            return None
        shape = [-1, *rest.as_list(), *source.shape[1:].as_list()]
        return raw.Reshape(raw.Pack(rows, axis=1), shape)
