"""Staging areas: the Python face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes as dtype_module
from millrace.core import shapes as shape_module
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import no_op


@public("contrib.staging.StagingArea", "python.ops.data_flow_ops.StagingArea")
class StagingArea:
    """Tuples that one step leaves for a later one, the first in first out.

    Args:
      dtypes: of a tuple's components.
      shapes: of the components, or None.
      names: of the components, or None; tuples are then dictionaries.
      shared_name: of the area; default: made from the name scope.
      capacity: how many tuples fit; 0 for any number.
      memory_limit: how many bytes fit; 0 for any number.

    Raises:
      ValueError: there are not as many shapes or names as dtypes, or a bound is negative.
    """

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        capacity: int = 0,
        memory_limit: int = 0,
    ) -> None:
        if shared_name is None:
            self._name = get_default_graph().unique_name(type(self).__name__)
        elif isinstance(shared_name, str):
            self._name = shared_name
        else:
            raise ValueError(f"StagingArea: shared_name must be a string. Received: {shared_name!r}")
        self._dtypes = [dtype_module.as_dtype(d) for d in dtypes]
        if shapes is None:
            self._shapes = [shape_module.shape_of(None)] * len(self._dtypes)
        else:
            self._shapes = [shape_module.as_shape(s) for s in shapes]
        self._names = None if names is None else list(names)
        for what, given in (("shapes", self._shapes), ("names", self._names)):
            if given is not None and len(given) != len(self._dtypes):
                raise ValueError(
                    f"StagingArea: {what} and dtypes must be as many. "
                    f"Received: {len(given)} and {len(self._dtypes)}"
                )
        for what, bound in (("capacity", capacity), ("memory_limit", memory_limit)):
            if bound is not None and bound < 0:
                raise ValueError(f"StagingArea: {what} must not be negative. Received: {bound}")
        self._capacity, self._memory_limit = capacity or 0, memory_limit or 0
        with name_scope(f"{self._name}_root"):
            self._coloc_op = no_op()

    @property
    def name(self) -> str:
        """The area's name."""
        return self._name

    @property
    def dtypes(self) -> list[dtype_module.DType]:
        """The dtypes of a tuple's components."""
        return self._dtypes

    @property
    def shapes(self) -> list[shape_module.TensorShape]:
        """The shapes of a tuple's components."""
        return self._shapes

    @property
    def names(self) -> list[str] | None:
        """The names of a tuple's components, or None."""
        return self._names

    @property
    def capacity(self) -> int:
        """How many tuples fit; 0 for any number."""
        return self._capacity

    @property
    def memory_limit(self) -> int:
        """How many bytes fit; 0 for any number."""
        return self._memory_limit

    def _common(self) -> dict[str, Any]:
        return dict(
            dtypes=self._dtypes,
            shared_name=self._name,
            capacity=self._capacity,
            memory_limit=self._memory_limit,
        )

    def _components(self, values: Any, indices: Any = None) -> tuple[list[Tensor], list[int]]:
        """The tensors to put, and the places of their components.

        Raises:
          ValueError: they do not fit the area.
        """
        if isinstance(values, Mapping):
            if not self._names:
                raise ValueError(
                    f"StagingArea '{self._name}': it has no names, so values may not be a dictionary"
                )
            if not set(values) <= set(self._names):
                raise ValueError(
                    f"StagingArea '{self._name}': keys must be among {self._names}. "
                    f"Received: {sorted(values)}"
                )
            places = sorted(self._names.index(k) for k in values)
            values = [values[self._names[i]] for i in places]
        else:
            if self._names:
                raise ValueError(
                    f"StagingArea '{self._name}': it has names, so values must be a dictionary. "
                    f"Received: {values!r}"
                )
            if not isinstance(values, list | tuple):
                values = [values]
            places = list(range(len(values))) if indices is None else list(indices)
        if len(values) > len(self._dtypes) or len(places) != len(values):
            raise ValueError(
                f"StagingArea '{self._name}': it has {len(self._dtypes)} components. Received: {len(values)}"
            )
        tensors = []
        for value, i in zip(values, places, strict=True):
            tensor = convert.to_tensor(value)
            if tensor.dtype.base_dtype is not self._dtypes[i].base_dtype:
                raise ValueError(
                    f"StagingArea '{self._name}': component {i} has dtype {self._dtypes[i].name}. "
                    f"Received: {tensor.name} of dtype {tensor.dtype.name}"
                )
            tensor.shape.assert_is_compatible_with(self._shapes[i])
            tensors.append(tensor)
        return tensors, places

    def _result(self, tensors: Any, places: Any = None) -> Any:
        chosen = range(len(tensors)) if places is None else places
        for tensor, i in zip(tensors, chosen, strict=True):
            tensor.set_shape(self._shapes[i])
        with control_dependencies(None):
            no_op()  # as in TensorFlow, where it stands for the area's device
        if self._names:
            return {self._names[i]: t for t, i in zip(tensors, chosen, strict=True)}
        return tensors

    def put(self, values: Any, name: str | None = None) -> Any:
        """An operation that leaves a tuple, waiting for room.

        Args:
          values: a tensor, a list of them, or a dictionary where the area has names.
          name: op name.

        Raises:
          ValueError: values do not fit the area.
        """
        with name_scope(name, f"{self._name}_put", None) as scope:
            tensors, _ = self._components(values)
            common = self._common()
            del common["dtypes"]
            return raw.Stage(tensors, name=scope, **common)

    def get(self, name: str | None = None) -> Any:
        """The first tuple, waited for: a list, or a dictionary where the area has names."""
        found = raw.Unstage(name=name or f"{self._name}_get", **self._common())
        return self._result(found)

    def peek(self, index: Any, name: str | None = None) -> Any:
        """The tuple numbered `index`, waited for; it stays."""
        found = raw.StagePeek(index, name=name or f"{self._name}_peek", **self._common())
        return self._result(found)

    def size(self, name: str | None = None) -> Tensor:
        """How many tuples there are, a scalar int32."""
        return raw.StageSize(name=name or f"{self._name}_size", **self._common())

    def clear(self, name: str | None = None) -> Any:
        """An operation that throws all tuples away."""
        return raw.StageClear(name=name or f"{self._name}_clear", **self._common())


@public("python.ops.data_flow_ops.MapStagingArea")
class MapStagingArea(StagingArea):
    """Tuples that one step leaves for a later one under a key, an int64; arguments as for `StagingArea`, and:

    Args:
      ordered: without a key, `get` takes the tuple of the smallest one.
    """

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        ordered: bool = False,
        capacity: int = 0,
        memory_limit: int = 0,
    ) -> None:
        super().__init__(dtypes, shapes, names, shared_name, capacity, memory_limit)
        self._prefix = "OrderedMap" if ordered else "Map"

    def _raw(self, verb: str) -> Any:
        return getattr(raw, f"{self._prefix}{verb}")

    def put(self, key: Any, vals: Any, indices: Any = None, name: str | None = None) -> Any:
        """An operation that leaves components of the tuple of `key`, waiting for room.

        Args:
          key: a scalar int64.
          vals: a list of tensors, or a dictionary where the area has names.
          indices: the places of a list's components; default: the first ones.
          name: op name.
        """
        with name_scope(name, f"{self._name}_put", None) as scope:
            tensors, places = self._components(vals, indices)
            return self._raw("Stage")(
                convert.to_tensor(key, dtype_module.int64), places, tensors, name=scope, **self._common()
            )

    def _places(self, indices: Any) -> list[int]:
        if indices is None:
            return list(range(len(self._dtypes)))
        return [self._names.index(i) if isinstance(i, str) and self._names else int(i) for i in indices]

    def get(self, key: Any = None, indices: Any = None, name: str | None = None) -> Any:
        """Components of the tuple of `key`, waited for; without a key, `(key, components)` of any."""
        places = self._places(indices)
        common = self._common() | {"dtypes": [self._dtypes[i] for i in places]}
        name = name or f"{self._name}_get"
        if key is not None:
            found = self._raw("Unstage")(
                convert.to_tensor(key, dtype_module.int64), places, name=name, **common
            )
            return self._result(found, places)
        found = self._raw("UnstageNoKey")(places, name=name, **common)
        return found.key, self._result(list(found.values), places)

    def peek(self, key: Any, indices: Any = None, name: str | None = None) -> Any:
        """Components of the tuple of `key`, waited for; they stay."""
        places = self._places(indices)
        common = self._common() | {"dtypes": [self._dtypes[i] for i in places]}
        key = convert.to_tensor(key, dtype_module.int64)
        found = self._raw("Peek")(key, places, name=name or f"{self._name}_peek", **common)
        return self._result(found, places)

    def size(self, name: str | None = None) -> Tensor:
        """How many tuples are complete, a scalar int32."""
        return self._raw("Size")(name=name or f"{self._name}_size", **self._common())

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many tuples lack components, a scalar int32."""
        return self._raw("IncompleteSize")(name=name or f"{self._name}_incomplete_size", **self._common())

    def clear(self, name: str | None = None) -> Any:
        """An operation that throws all tuples away."""
        return self._raw("Clear")(name=name or f"{self._name}_clear", **self._common())
