"""The session that Keras works in, and what it reads, writes and runs there."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.defaults import (
    executing_eagerly,
    get_default_graph,
    get_default_session,
    reset_default_graph,
)
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.layers import settings
from millrace.lib.layers.descendants import late
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.sets import variables_initializer
from millrace.lib.variables.variable import Variable
from millrace.ops.array.constant import placeholder
from millrace.session.session import Session


class _Own(threading.local):
    """The session that Keras made or was given, for each thread."""

    def __init__(self) -> None:
        self.session: Any = None


class _Initialization:
    """Whether the program initializes variables itself."""

    def __init__(self) -> None:
        self.manual = False


_own = _Own()
_initialization = _Initialization()

public("python.keras.backend.get_graph")(get_default_graph)


@public("keras.backend.manual_variable_initialization")
def manual_variable_initialization(value: bool) -> None:
    """Sets whether the program initializes variables itself; by default Keras does when it first runs."""
    _initialization.manual = value


@public("keras.backend.get_session")
def get_session(op_input_list: Any = ()) -> Any:
    """The default session, or else one that Keras keeps for the default graph; variables are initialized.

    Args:
      op_input_list: tensors that will be run there; accepted.
    """
    session = get_default_session()
    if session is None or session.graph is not get_default_graph():
        own = _own.session
        if own is None or own.graph is not get_default_graph() or own._closed:
            _own.session = Session()
        session = _own.session
    if not _initialization.manual:
        _initialize(session)
    return session


@public("keras.backend.set_session")
def set_session(session: Any) -> None:
    """Makes Keras work in `session`."""
    _own.session = session


@public("keras.backend.clear_session")
def clear_session() -> None:
    """Forgets the default graph, the session and all names in use."""
    reset_default_graph()
    settings.reset_uids()
    _own.session = None
    settings.learning_phase()


def _initialize(session: Any) -> None:
    """Gives variables that Keras knows and that have no value their first."""
    candidates = [v for v in settings.tracked_variables() if not getattr(v, "_keras_initialized", False)]
    if not candidates:
        return
    with session.graph.as_default():
        known = session.run([v._is_initialized() for v in candidates])
        missing = [v for v, has in zip(candidates, known, strict=True) if not has]
        for variable in candidates:
            variable._keras_initialized = True
        if missing:
            session.run(variables_initializer(missing))


# --- values -------------------------------------------------------------------------------------------------


@public("keras.backend.get_value")
def get_value(x: Any) -> Any:
    """The value of a variable or tensor; what is not symbolic stands for itself."""
    if not settings.symbolic(x):
        return x
    return batch_get_value([x])[0]


@public("keras.backend.batch_get_value")
def batch_get_value(tensors: Any) -> list[Any]:
    """The values of several variables or tensors, read at once."""
    if executing_eagerly():
        return [t.numpy() for t in tensors]
    return get_session(tensors).run(_readable(tensors)) if tensors else []


def _readable(variables: Any) -> list[Any]:
    # A variable's own read is an operation that exists already.
    return [v._snapshot if isinstance(v, Variable) else v for v in variables]


@public("keras.backend.set_value")
def set_value(x: Any, value: Any) -> None:
    """Sets the value of a variable."""
    batch_set_value([(x, value)])


@public("keras.backend.batch_set_value")
def batch_set_value(tuples: Any) -> None:
    """Sets the values of several variables at once.

    Args:
      tuples: pairs of a variable and its new value.
    """
    if not tuples:
        return
    if executing_eagerly():
        for variable, value in tuples:
            assign(variable, np.asarray(value, variable.dtype.base_dtype.np_dtype))
        return
    writes, feeds = [], {}
    for variable, value in tuples:
        array = np.asarray(value, dtypes.as_dtype(variable.dtype).base_dtype.np_dtype)
        write = getattr(variable, "_keras_write", None)
        if write is None:
            with variable.graph.as_default(), name_scope(None), control_dependencies(None):
                fed = placeholder(variable.dtype.base_dtype, [None] * array.ndim)
                write = variable._keras_write = (fed, assign(variable, fed))
        writes.append(write[1].op)
        feeds[write[0]] = array
    get_session([v for v, _ in tuples]).run(writes, feeds)


late.get_values = batch_get_value
late.set_values = batch_set_value


# --- functions ----------------------------------------------------------------------------------------------


class Function:
    """A part of the graph as a function of arrays.

    Args:
      inputs: nested placeholders.
      outputs: nested tensors.
      updates: operations, or pairs of a variable and its new value, that run after the first output.
      name: what it is called.
      **session_kwargs: `feed_dict`, whose values are read at each call, `fetches`, and `options` and
        `run_metadata` of `Session.run`.
    """

    def __init__(
        self, inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **session_kwargs: Any
    ) -> None:
        if not isinstance(updates or [], list | tuple):
            raise TypeError(f"`updates` in a Keras backend function should be a list. Received: {updates!r}")
        self._structure = outputs
        self.inputs = [i for i in nest.flatten(inputs) if i is not None]
        self.outputs = [_graph_value(o) for o in nest.flatten(outputs)]
        self.name = name
        given = session_kwargs.pop("feed_dict", None)
        self.feed_dict: dict[Any, Any] = {} if given is None else given
        self.fetches = list(session_kwargs.pop("fetches", None) or [])
        self.fetch_callbacks: dict[Any, Any] = {}
        asked = {k: session_kwargs.pop(k, None) for k in ("options", "run_metadata")}
        self.run_options = {k: v for k, v in asked.items() if v is not None}
        if session_kwargs:
            raise ValueError(
                f"Some keys in session_kwargs are not supported. Received: {sorted(session_kwargs)}"
            )
        with control_dependencies(self.outputs[:1]):
            self.updates_op = group(*[_write(u) for u in updates or []])
        self._calls: dict[Any, Any] = {}

    def __call__(self, inputs: Any) -> Any:
        """The outputs' values for values of the inputs, nested alike; tensors are computed first."""
        values = nest.flatten(inputs)
        session = get_session(values)
        symbols = [v for v in values if isinstance(v, _SYMBOLIC)]
        if symbols:
            known = iter(session.run(symbols))
            values = [next(known) if isinstance(v, _SYMBOLIC) else v for v in values]
        found = self.run_flat(session, values)
        return nest.pack_sequence_as(self._structure, found)

    def run_flat(self, session: Any, values: list[Any]) -> list[Any]:
        """The flat outputs for flat values of the inputs."""
        if any(hasattr(v, "tocoo") for v in values):
            values = [_matrix(v, t) for v, t in zip(values, self.inputs, strict=True)]
        fetched = self._callable(session, tuple(v is not None for v in values))(
            *[v for v in values if v is not None], *self.feed_dict.values(), **self.run_options
        )
        extra = fetched[1]
        for fetch, value in zip(self.fetches, extra, strict=True):
            callback = self.fetch_callbacks.get(fetch)
            if callback is not None:
                callback(value)
        return fetched[0]

    def _callable(self, session: Any, given: tuple[bool, ...]) -> Any:
        key = (session, given, len(self.fetches), tuple(self.feed_dict))
        found = self._calls.get(key)
        if found is None:
            feeds = [t for t, has in zip(self.inputs, given, strict=False) if has]
            fetches = [self.outputs, self.fetches, self.updates_op]
            found = session.make_callable(
                fetches, feeds + list(self.feed_dict), accept_options=bool(self.run_options)
            )
            self._calls[key] = found
        return found


_SYMBOLIC = (Tensor, Variable, SparseTensor)


def _matrix(value: Any, tensor: Any) -> Any:
    """A sparse matrix of SciPy as what is fed for `tensor`; other values stay as they are."""
    if not hasattr(value, "tocoo"):
        return value
    if not isinstance(tensor, SparseTensor):
        return value.toarray()
    parts = value.tocoo()
    places = np.stack([parts.row, parts.col], axis=1)
    return SparseTensorValue(places.astype(np.int64), parts.data, parts.shape)


def _graph_value(value: Any) -> Any:
    return value.value() if isinstance(value, Variable) and hasattr(value, "_write_op") else value


def _write(update: Any) -> Any:
    if isinstance(update, tuple):
        return assign(*update)
    return update.op if hasattr(update, "op") and not isinstance(update, Tensor) else update


@public("keras.backend.function")
def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any
) -> Function:
    """A function of arrays that runs a part of the graph.

    Args:
      inputs: placeholders.
      outputs: tensors.
      updates: operations, or pairs of a variable and its new value, that run, too.
      name: what it is called.
      **kwargs: `feed_dict`, `fetches`, `options` and `run_metadata` for the session.

    Raises:
      TypeError: `updates` is not a list.
      ValueError: another keyword.
    """
    return Function(inputs, outputs, updates, name, **kwargs)
