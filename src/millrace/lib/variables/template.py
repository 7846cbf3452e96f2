"""`tf.make_template`: a function whose variables are the same each time it is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.scope import (
    VariableScope,
    pure_variable_scope,
    unique_scope_name,
    variable_scope,
)


@public("make_template", "python.ops.template.make_template")
def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Callable[..., Any]:
    """A function that calls `func_` so that `tf.get_variable` makes variables once and finds them after.

    Args:
      name_: the scope of the variables, made unique.
      func_: the function.
      create_scope_now_: choose the scope's name now and not at the first call.
      unique_name_: the scope's name as it is.
      custom_getter_: a custom getter for the scope.
      **kwargs: arguments passed to `func_` at each call.

    Raises:
      ValueError: `name_` is None, or a later call makes new trainable variables.
    """
    if kwargs:
        func_ = functools.partial(func_, **kwargs)
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_)


@public("python.ops.template.Template")
class Template:
    """A function and the variable scope that all its calls share."""

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        create_scope_now: bool = False,
        unique_name: str | None = None,
        custom_getter: Any = None,
    ) -> None:
        if name is None:
            raise ValueError("make_template: name cannot be None.")
        self._func = func
        self._name = name
        self._unique_name = unique_name
        self._custom_getter = custom_getter
        self._variable_scope: VariableScope | None = None
        self._variables_created = False
        if create_scope_now:
            chosen = unique_name or unique_scope_name(name)  # the first call opens the name scope
            with pure_variable_scope(chosen, custom_getter=custom_getter) as scope:
                self._variable_scope = scope

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function within the scope."""
        if self._variable_scope is None:
            with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
                self._variable_scope = scope
                get_default_graph().holds += 1
                result = self._func(*args, **kwargs)
                self._variables_created = True
                return result
        if not self._variables_created:
            with variable_scope(self._variable_scope):
                result = self._func(*args, **kwargs)
                self._variables_created = True
                return result
        with variable_scope(self._variable_scope, reuse=True):
            return self._again(args, kwargs)

    def _again(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A later call, which may make no trainable variables."""
        graph = get_default_graph()
        before = len(graph.get_collection(GraphKeys.TRAINABLE_VARIABLES))
        result = self._func(*args, **kwargs)
        after = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
        if len(after) != before:
            raise ValueError(
                "New variable created when calling a template after the first time, perhaps you used "
                "tf.Variable when "
                f"you meant tf.get_variable. Received: {after[before:]}"
            )
        return result

    @property
    def name(self) -> str:
        """The name asked for."""
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        """The function."""
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope, or None before the first call."""
        return self._variable_scope

    var_scope = variable_scope

    @property
    def variable_scope_name(self) -> str | None:
        """The scope's name, or None before the first call."""
        if self._variable_scope is None:
            return None
        name = self._variable_scope.name
        return name[:-1] if name.endswith("/") else name

    @property
    def variables(self) -> list[Any]:
        """The global and local variables of the scope."""
        return self.global_variables + self.local_variables

    @property
    def global_variables(self) -> list[Any]:
        """The global variables of the scope."""
        return (
            self._variable_scope.global_variables()
            if self._variables_created and self._variable_scope
            else []
        )

    @property
    def local_variables(self) -> list[Any]:
        """The local variables of the scope."""
        return (
            self._variable_scope.local_variables() if self._variables_created and self._variable_scope else []
        )

    @property
    def trainable_variables(self) -> list[Any]:
        """The trainable variables of the scope."""
        return (
            self._variable_scope.trainable_variables()
            if self._variables_created and self._variable_scope
            else []
        )

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The global and local variables of the scope that are not trainable."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    weights = variables
    trainable_weights = trainable_variables
    non_trainable_weights = non_trainable_variables
