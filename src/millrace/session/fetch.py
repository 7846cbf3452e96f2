"""Fetches: flattening any nesting into tensors and operations, and putting the values back as they nested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from millrace.core import errors
from millrace.core.depth import bounded
from millrace.core.dtypes import plain_numbers
from millrace.core.kinds import LISTS, MAPPINGS
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.session.handles import HANDLE_TYPES, TensorHandle

Rebuild = Callable[[tuple[Any, ...]], Any]


class _Expansion:
    """How a user's type is fetched and fed as tensors."""

    def __init__(self, kind: type, fetch: Any, feed: Any, feed_for_partial_run: Any) -> None:
        self.kind = kind
        self.fetch = fetch
        self.feed = feed
        self.feed_for_partial_run = feed_for_partial_run


_expansions: list[_Expansion] = []


@public("python.client.session.register_session_run_conversion_functions")
def register_session_run_conversion_functions(
    tensor_type: type,
    fetch_function: Any,
    feed_function: Any = None,
    feed_function_for_partial_run: Any = None,
) -> None:
    """Lets objects of a type be fetched and fed.

    Args:
      tensor_type: the type.
      fetch_function: `object -> (list of tensors, function from their values to the object's value)`.
      feed_function: `(object, value) -> list of (tensor, value)`.
      feed_function_for_partial_run: `object -> list of tensors`.

    Raises:
      ValueError: the type, or one above it, is registered already.
    """
    for known in _expansions:
        if issubclass(tensor_type, known.kind):
            raise ValueError(f"{tensor_type} has already been registered so ignore it.")
    _expansions.insert(
        0, _Expansion(tensor_type, fetch_function, feed_function, feed_function_for_partial_run)
    )


def expansion_for(value: Any) -> _Expansion | None:
    """The registered expansion of a value's type, or None."""
    for known in _expansions:
        if isinstance(value, known.kind):
            return known
    return None


_LISTS: tuple[type, ...] = (list,)
_TUPLES: tuple[type, ...] = (tuple,)
_DEFAULT_DICTS: tuple[type, ...] = (defaultdict,)
_leaves: set[type] = {Tensor, Operation, str}  # types known to be no containers


def structure_key(fetches: Any) -> Any:
    """A hashable description of fetches, equal for equal structures of the same elements."""
    if type(fetches) in _leaves:
        return fetches
    kind: Any = fetches.__class__
    if kind in _leaves:
        return fetches
    if kind is list or kind is tuple or (isinstance(fetches, _TUPLES) and hasattr(fetches, "_fields")):
        return (kind, *[f if type(f) in _leaves else structure_key(f) for f in fetches])
    if isinstance(fetches, MAPPINGS):
        return (kind, *[(k, structure_key(v)) for k, v in fetches.items()])
    if hasattr(kind, "__attrs_attrs__"):
        return (kind, *[structure_key(getattr(fetches, name)) for name in _attrs_names(kind)])
    if isinstance(fetches, LISTS):
        return (kind, *[structure_key(f) for f in fetches])
    _leaves.add(kind)
    return fetches


def _attrs_names(kind: Any) -> list[str]:
    """The fields of a class that the package `attrs` has made."""
    return [field.name for field in kind.__attrs_attrs__]


class FetchPlan:
    """The distinct elements behind some fetches, and the way back.

    Attributes:
      elements: tensors and operations, each once.
      rebuild: from their values to the caller's structure.
    """

    @bounded
    def __init__(self, graph: Graph, fetches: Any, session: Any) -> None:
        self.graph = graph
        self._session = session
        self.elements: list[Any] = []
        self._index: dict[Any, int] = {}
        self.rebuild = self._visit(fetches)

    def _visit(self, fetch: Any) -> Rebuild:
        if fetch is None:
            raise TypeError(f"Fetch argument None has invalid type {type(None)}")
        kind: Any = fetch.__class__
        if isinstance(fetch, _LISTS):
            parts = [self._visit(f) for f in fetch]
            return _rebuild_list(list, parts, len(self.elements))
        if isinstance(fetch, _TUPLES) and not hasattr(fetch, "dense_shape"):
            parts = [self._visit(f) for f in fetch]
            if hasattr(fetch, "_fields"):
                return lambda values: kind(*[p(values) for p in parts])
            return _rebuild_list(tuple, parts, len(self.elements))
        if isinstance(fetch, MAPPINGS):
            named = [(k, self._visit(v)) for k, v in fetch.items()]
            if isinstance(fetch, _DEFAULT_DICTS):
                factory = fetch.default_factory
                return lambda values: kind(factory, [(k, p(values)) for k, p in named])
            return lambda values: kind([(k, p(values)) for k, p in named])
        if hasattr(kind, "__attrs_attrs__"):
            parts = [self._visit(getattr(fetch, name)) for name in _attrs_names(kind)]
            return lambda values: kind(*[p(values) for p in parts])
        expansion = expansion_for(fetch)
        if expansion is not None:
            tensors, contract = expansion.fetch(fetch)
            parts = [self._visit(t) for t in tensors]
            return lambda values: contract([p(values) for p in parts])
        position = self._element(fetch, fetch)
        element = self.elements[position]
        if isinstance(element, Tensor) and element.op.type in HANDLE_TYPES:
            session, dtype = self._session, element.op.inputs[0].dtype
            return lambda values: TensorHandle(values[position], dtype, session)
        if isinstance(element, Tensor) and element.dtype.is_quantized:
            return lambda values: plain_numbers(values[position])
        return itemgetter(position)

    def _element(self, fetch: Any, original: Any) -> int:
        try:
            element = self.graph.as_graph_element(fetch)
        except TypeError as error:
            raise TypeError(
                f"Fetch argument {original!r} has invalid type {type(original)}, must be a "
                f"string or Tensor. ({error})"
            ) from None
        except ValueError as error:
            raise ValueError(
                f"Fetch argument {original!r} cannot be interpreted as a Tensor. ({error})"
            ) from None
        except KeyError as error:
            raise ValueError(
                f"Fetch argument {original!r} cannot be interpreted as a Tensor. ({error.args[0]})"
            ) from None
        if not self.graph.is_fetchable(element):
            name = element.op.name if isinstance(element, Tensor) else element.name
            raise errors.InaccessibleTensorError(f"Operation '{name}' has been marked as not fetchable.")
        found = self._index.get(element)
        if found is None:
            found = self._index[element] = len(self.elements)
            self.elements.append(element)
        return found


def _rebuild_list(kind: type, parts: list[Rebuild], count: int) -> Rebuild:
    if len(parts) > 1 and all(isinstance(p, itemgetter) for p in parts):
        # One call for all of them: each part picks one of `count` values, here its position.
        pick = itemgetter(*[p(range(count)) for p in parts])  # type: ignore[arg-type]
        return lambda values: kind(pick(values))
    return lambda values: kind([p(values) for p in parts])
