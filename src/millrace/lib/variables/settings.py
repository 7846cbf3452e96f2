"""`VariableScope`: the settings that a scope gives to the variables made in it, and hands down."""

from __future__ import annotations

import enum
from typing import Any, Final

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.store import VariableStore


@public("python.ops.variable_scope._ReuseMode")
class _ReuseMode(enum.Enum):
    """How a scope treats variables that exist already."""

    AUTO_REUSE = 1


AUTO_REUSE = public("AUTO_REUSE", "python.ops.variable_scope.AUTO_REUSE")(_ReuseMode.AUTO_REUSE)

# What a scope hands down to the scopes inside it.
INHERITED: Final = (
    "initializer",
    "regularizer",
    "caching_device",
    "partitioner",
    "custom_getter",
    "dtype",
    "use_resource",
    "constraint",
)


def _also(name: str) -> Any:
    """A property that is the attribute `name`: what TensorFlow keeps it in, which some programs take."""

    def get(self: Any) -> Any:
        return getattr(self, name)

    def put(self: Any, value: Any) -> None:
        setattr(self, name, value)

    return property(get, put)


@public("VariableScope", "python.ops.variable_scope.VariableScope")
class VariableScope:
    """The settings that `tf.get_variable` uses where the call does not say.

    Attributes:
      name: the prefix of variable names, without a trailing slash.
      original_name_scope: the name scope, with a trailing slash, that was opened when this scope was created.
      reuse: True, None, or `tf.AUTO_REUSE`.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self._name = name
        self._reuse = reuse
        self._name_scope = name_scope
        self.initializer = initializer
        self.regularizer = regularizer
        self.caching_device = caching_device
        self.partitioner = partitioner
        self.custom_getter = custom_getter
        self.dtype = dtype
        self.use_resource = use_resource
        self.constraint = constraint

    _initializer, _regularizer, _constraint = map(_also, ("initializer", "regularizer", "constraint"))
    _partitioner, _custom_getter = map(_also, ("partitioner", "custom_getter"))
    _caching_device, _dtype, _use_resource = map(_also, ("caching_device", "dtype", "use_resource"))

    @property
    def name(self) -> str:
        """The prefix of variable names."""
        return self._name

    @property
    def original_name_scope(self) -> str:
        """The name scope that was opened with this scope."""
        return self._name_scope

    @property
    def reuse(self) -> Any:
        """True: variables must exist; None: they must not; `tf.AUTO_REUSE`: either."""
        return self._reuse

    def reuse_variables(self) -> None:
        """From now on, variables of this scope must exist already."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Sets the initializer used where the call does not say."""
        self.initializer = initializer

    def set_dtype(self, dtype: Any) -> None:
        """Sets the dtype used where the call does not say."""
        self.dtype = dtype

    def set_use_resource(self, use_resource: bool | None) -> None:
        """Sets whether variables name their values by handles."""
        self.use_resource = use_resource

    def set_regularizer(self, regularizer: Any) -> None:
        """Sets the regularizer used where the call does not say."""
        self.regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        """Sets where reads are cached."""
        self.caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        """Sets the partitioner used where the call does not say."""
        self.partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        """Sets the function that stands between `get_variable` and its result."""
        self.custom_getter = custom_getter

    def get_collection(self, name: str) -> list[Any]:
        """The items of a collection that belong to this scope."""
        return get_default_graph().get_collection(name, f"{self._name}/" if self._name else "")

    def trainable_variables(self) -> list[Any]:
        """The trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """The global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """The local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        """The variable `name` of this scope, made or found in `var_store`; see `tf.get_variable`."""
        if dtype is not None and initializer is not None and not callable(initializer):
            with name_scope(None):
                found = convert.to_tensor(initializer).dtype.base_dtype
            if found != dtypes.as_dtype(dtype).base_dtype:
                raise ValueError(
                    f"Variable {name}: the initializer's type and the explicit dtype must agree. "
                    f"Received: '{found.name}' and '{dtypes.as_dtype(dtype).name}'"
                )
        # The names of variables depend on variable scopes alone.
        with name_scope(None):
            return var_store.get_variable(
                f"{self._name}/{name}" if self._name else name,
                shape=shape,
                dtype=self.dtype if dtype is None else dtype,
                initializer=self.initializer if initializer is None else initializer,
                regularizer=self.regularizer if regularizer is None else regularizer,
                reuse=self._reuse if reuse is None else reuse,
                trainable=trainable,
                collections=collections,
                caching_device=self.caching_device if caching_device is None else caching_device,
                partitioner=self.partitioner if partitioner is None else partitioner,
                validate_shape=validate_shape,
                use_resource=self.use_resource if use_resource is None else use_resource,
                custom_getter=self.custom_getter if custom_getter is None else custom_getter,
                constraint=self.constraint if constraint is None else constraint,
                synchronization=synchronization,
                aggregation=aggregation,
            )
