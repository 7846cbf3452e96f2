"""`tf.variable_scope` and `tf.get_variable`: variables found again by name, with settings of scopes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, overload

from millrace.building.scopes import graph_of, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.lib.variables.settings import AUTO_REUSE, INHERITED, VariableScope
from millrace.lib.variables.store import VariableStore
from millrace.lib.variables.variable import Variable


class _Scopes(threading.local):
    """The current variable scope of a thread, and how often each scope name was opened."""

    def __init__(self) -> None:
        self.current = VariableScope(False)
        self.opened: dict[str, int] = {}

    def open(self, name: str) -> None:
        """Notes that the scope `name` was opened once more."""
        self.opened[name] = self.opened.get(name, 0) + 1

    def close_inside(self, name: str) -> None:
        """Forgets the scopes inside `name`: opened again, it numbers them from the start."""
        for known in self.opened:
            if known.startswith(f"{name}/"):
                self.opened[known] = 0

    def unique(self, prefix: str) -> str:
        """`prefix`, numbered where the current scope has one of that name already."""
        name = f"{self.current.name}/{prefix}" if self.current.name else prefix
        if not self.opened.get(name):
            return prefix
        k = 1
        while self.opened.get(f"{name}_{k}"):
            k += 1
        return f"{prefix}_{k}"


def _scopes(graph: Graph | None = None) -> _Scopes:
    return (graph or get_default_graph()).get_scoped("variable_scopes", _Scopes)


@public("python.ops.variable_scope._get_unique_variable_scope")
def unique_scope_name(prefix: str) -> str:
    """`prefix`, numbered where the current variable scope has one of that name already."""
    return _scopes().unique(prefix)


@public("python.ops.variable_scope._get_default_variable_store")
def default_store() -> VariableStore:
    """The store of the default graph's variables by name."""
    return get_default_graph().get_scoped("variable_store", VariableStore)


@public("get_variable_scope", "python.ops.variable_scope.get_variable_scope")
def get_variable_scope() -> VariableScope:
    """The current variable scope.

    Example:
      >>> with tf.variable_scope("layer"):
      ...     print(tf.get_variable_scope().name)
      layer
    """
    return _scopes().current


def _composed(custom_getter: Any, outer: Any) -> Any:
    """`custom_getter`, whose `getter` argument goes through `outer`."""
    if outer is None:
        return custom_getter

    def composed(getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return custom_getter(lambda *a, **k: outer(getter, *a, **k), *args, **kwargs)

    return composed


@public("python.ops.variable_scope._pure_variable_scope")
@contextlib.contextmanager
def pure_variable_scope(
    name_or_scope: Any, reuse: Any = None, old_name_scope: str | None = None, **settings: Any
) -> Iterator[VariableScope]:
    """Enters a variable scope without touching the name scope; arguments as for `tf.variable_scope`."""
    scopes = _scopes()
    outer = scopes.current
    jumps = isinstance(name_or_scope, VariableScope)
    base = name_or_scope if jumps else outer
    if jumps:
        name = base.name
        name_of_scope = base.original_name_scope
        reuse = reuse or base.reuse
    else:
        name = f"{outer.name}/{name_or_scope}" if outer.name else name_or_scope
        name_of_scope = name_or_scope if old_name_scope is None else old_name_scope
        reuse = reuse or outer.reuse
    chosen = {key: getattr(base, key) for key in INHERITED}
    for key, value in settings.items():
        if value is not None:
            chosen[key] = _composed(value, base.custom_getter) if key == "custom_getter" else value
    scope = VariableScope(reuse, name=name, name_scope=name_of_scope, **chosen)
    scopes.open(name)
    before = dict(scopes.opened)
    scopes.current = scope
    try:
        yield scope
    finally:
        if jumps:
            scopes.opened = before
        else:
            scopes.close_inside(name)
        scopes.current = outer


@public("variable_scope", "python.ops.variable_scope.variable_scope")
class variable_scope:  # noqa: N801 - TensorFlow's name
    """Prefixes the names of variables made by `tf.get_variable` inside, and opens a name scope.

    Args:
      name_or_scope: a name, made part of variable names as it is, or a scope to enter again.
      default_name: used, made unique, when `name_or_scope` is None.
      values: tensors whose graph becomes the default inside.
      initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint:
        settings for `tf.get_variable` inside.
      reuse: True: variables must exist; `tf.AUTO_REUSE`: they may; None or False: as the scope around says.
      auxiliary_name_scope: False opens no name scope.

    Raises:
      TypeError: there is neither a name nor a default name, or an argument is of another kind.
      ValueError: `reuse` is set without a name, or the values are from different graphs.

    Example:
      >>> with tf.variable_scope("layer"):
      ...     print(tf.get_variable("w", [2, 3]).name)
      layer/w:0
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if default_name is None and name_or_scope is None:
            raise TypeError(
                "variable_scope: if default_name is None then name_or_scope is required. Received: None"
            )
        if not (reuse is None or reuse is True or reuse is False or reuse is AUTO_REUSE):
            raise ValueError(
                f"variable_scope: reuse must be True, False, None or tf.AUTO_REUSE. Received: {reuse!r}"
            )
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(
                f"variable_scope: auxiliary_name_scope is a bool. Received: {auxiliary_name_scope!r}"
            )
        self._name_or_scope = name_or_scope
        self._default_name = default_name
        self._values = values
        self._reuse = reuse or None
        self._auxiliary = auxiliary_name_scope
        self._settings = {
            "initializer": initializer,
            "regularizer": regularizer,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "custom_getter": custom_getter,
            "dtype": dtype,
            "use_resource": use_resource,
            "constraint": constraint,
        }
        self._stacks: list[contextlib.ExitStack] = []

    def __enter__(self) -> VariableScope:
        with contextlib.ExitStack() as stack:
            graph = graph_of([] if self._values is None else list(self._values))
            if graph is not get_default_graph():
                stack.enter_context(graph.as_default())
            scope = self._enter(stack)
            self._stacks.append(stack.pop_all())
        return scope

    def _enter(self, stack: contextlib.ExitStack) -> VariableScope:
        given = self._name_or_scope
        if given is None:
            if self._reuse:
                raise ValueError(
                    "variable_scope: reuse cannot be used without a name_or_scope. Received: "
                    f"reuse={self._reuse!r}"
                )
            opened = self._open_name_scope(stack, self._default_name or "")
            unique = _scopes().unique(self._default_name or "")
            return stack.enter_context(pure_variable_scope(unique, None, opened, **self._settings))
        if not isinstance(given, VariableScope | str):
            raise TypeError(
                f"variable_scope: name_or_scope must be a string or VariableScope. Received: {given!r}"
            )
        name = given if isinstance(given, str) else given.name.split("/")[-1]
        opened = self._open_name_scope(stack, name) if name or not self._auxiliary else None
        return stack.enter_context(pure_variable_scope(given, self._reuse, opened, **self._settings))

    def _open_name_scope(self, stack: contextlib.ExitStack, name: str) -> str:
        if not self._auxiliary:
            current = get_default_graph().get_name_scope()
            return f"{current}/" if current else ""
        return stack.enter_context(name_scope(name))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stacks.pop().__exit__(kind, error, traceback)


@public("variable_op_scope", "python.ops.variable_scope.variable_op_scope")
@contextlib.contextmanager
def variable_op_scope(
    values: Any,
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
) -> Iterator[VariableScope]:
    """The old argument order of `variable_scope`."""
    with variable_scope(
        name_or_scope,
        default_name,
        values,
        initializer,
        regularizer,
        caching_device,
        partitioner,
        custom_getter,
        reuse,
        dtype,
        use_resource,
        constraint,
    ) as scope:
        yield scope


@overload
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Variable: ...


@overload
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    *,
    partitioner: Callable[..., Any],
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Variable | PartitionedVariable: ...


@public("get_variable", "python.ops.variable_scope.get_variable")
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
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
    """The variable `name` of the current variable scope: new, or made before where the scope reuses.

    Args:
      name: its name, under the scope's.
      shape: its shape; None where the initializer is a value.
      dtype: its dtype; default the scope's, float32.
      initializer: a function `(shape, dtype) -> tensor`, a value, or None for the scope's; the last resort is
        `glorot_uniform_initializer` for floating types and zeros for others.
      regularizer: a function from the variable to a scalar, put into `GraphKeys.REGULARIZATION_LOSSES`.
      trainable: also put it into `GraphKeys.TRAINABLE_VARIABLES`; default True.
      collections: the collections it joins; default `[GraphKeys.GLOBAL_VARIABLES]`.
      caching_device: where reads are cached.
      partitioner: a function `(shape, dtype) -> list of part counts` that splits it.
      validate_shape: the initial value's shape must be known.
      use_resource: name its value by a handle.
      custom_getter: a function `(getter, name, ...)` called instead, which may call `getter`.
      constraint: a function from value to value that optimizers apply after their update.
      synchronization, aggregation: what replicas do with it.

    Returns:
      The variable; a `PartitionedVariable` where a partitioner splits it.

    Raises:
      ValueError: the variable exists and may not, or does not exist and must; its shape or dtype is another
        one.

    Example:
      >>> with tf.variable_scope("layer"):
      ...     w = tf.get_variable("w", [2, 3])
      >>> with tf.variable_scope("layer", reuse=True):
      ...     print(tf.get_variable("w") is w, w.name)
      True layer/w:0
    """
    return get_variable_scope().get_variable(
        default_store(),
        name,
        shape,
        dtype,
        initializer,
        regularizer,
        None,
        trainable,
        collections,
        caching_device,
        partitioner,
        validate_shape,
        use_resource,
        custom_getter,
        constraint,
        synchronization,
        aggregation,
    )


@public("get_local_variable", "python.ops.variable_scope.get_local_variable")
def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = False,
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
    """As `get_variable`, for a variable of `GraphKeys.LOCAL_VARIABLES` that is not trainable."""
    return get_variable(
        name,
        shape,
        dtype,
        initializer,
        regularizer,
        False,
        [*(collections or ()), GraphKeys.LOCAL_VARIABLES],
        caching_device,
        partitioner,
        validate_shape,
        use_resource,
        custom_getter,
        constraint,
        synchronization,
        aggregation,
    )


@public("no_regularizer", "python.ops.variable_scope.no_regularizer")
def no_regularizer(_: Any) -> None:
    """Keeps a scope's regularizer from being used."""
    return


@public("create_partitioned_variables")
def create_partitioned_variables(
    shape: Any,
    slicing: Any,
    initializer: Any,
    dtype: Any = dtypes.float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Any]:
    """Variables that together make one, split into `slicing[i]` parts along dimension i.

    Args:
      shape: the whole's shape.
      slicing: how many parts along each dimension; at most one is more than 1.
      initializer: a value, or a function of the shape.
      dtype: the element type.
      trainable: also put the parts into `GraphKeys.TRAINABLE_VARIABLES`.
      collections: the collections that the parts join.
      name: default "PartitionedVariable".
      reuse: find variables made before.

    Returns:
      The parts.

    Raises:
      ValueError: `slicing` does not fit `shape`.
    """
    if len(shape) != len(slicing):
        raise ValueError(
            "The 'shape' and 'slicing' of a partitioned Variable must have the length. Received: "
            f"{shape}, {slicing}"
        )
    if len(shape) < 1:
        raise ValueError(f"A partitioned Variable must have rank at least 1. Received: shape {shape}")
    with variable_scope(name, "PartitionedVariable", reuse=reuse) as scope, name_scope(None):
        whole = default_store().get_variable(
            scope.name,
            shape=shape if callable(initializer) else None,
            dtype=dtype,
            initializer=initializer,
            reuse=scope.reuse,
            trainable=trainable,
            partitioner=lambda **_: list(slicing),
            collections=collections,
        )
    return list(whole)
