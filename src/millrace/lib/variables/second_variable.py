"""`tf.compat.v2.Variable`: variables that are named by handles, whatever the program's default is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.lib.variables.arguments import VariableAggregation, VariableSynchronization
from millrace.lib.variables.creation import create
from millrace.lib.variables.variable import Variable


class _SecondType(type(Variable)):
    """Makes resource variables, and calls every variable an instance."""

    def __call__(
        cls,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        shape: Any = None,
    ) -> Any:
        given = {key: value for key, value in locals().items() if key not in ("cls", "__class__")}
        return create({**given, "collections": None, "expected_shape": None, "use_resource": True})

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Variable)


@public("compat.v2.Variable")
class SecondVariable(Variable, metaclass=_SecondType):
    """`tf.Variable(..., use_resource=True)`, without collections of the program's choice."""
