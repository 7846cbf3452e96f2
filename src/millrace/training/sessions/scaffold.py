"""`Scaffold`: what a training session needs of its graph; and who makes sessions of it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.platform import log
from millrace.lib.summary.operations import merge_all
from millrace.lib.variables import sets
from millrace.ops.array.concat import concat
from millrace.saver.saver import Saver
from millrace.training.sessions import resources
from millrace.training.sessions.manager import SessionManager


@public("train.Scaffold", "python.training.monitored_session.Scaffold")
class Scaffold:
    """The operations by which a session is initialized, found ready, and saved.

    Those that are not given are taken from the graph's collections, or made by `finalize`.

    Args:
      init_op: initializes global variables and shared resources.
      init_feed_dict: what to feed to it.
      init_fn: called with the scaffold and the session after `init_op`.
      ready_op: a tensor of the names of what is not initialized.
      ready_for_local_init_op: the same for what `local_init_op` needs.
      local_init_op: initializes local variables and tables.
      summary_op: all summaries merged.
      saver: a `Saver`.
      copy_from_scaffold: where to take from what is not given.
      local_init_feed_dict: what to feed to `local_init_op`.

    Raises:
      TypeError: `copy_from_scaffold` is not a scaffold.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Scaffold, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        other = copy_from_scaffold
        if other is not None and not isinstance(other, Scaffold):
            raise TypeError(f"Scaffold: copy_from_scaffold must be a Scaffold. Received: {other!r}")

        def chosen(given: Any, name: str) -> Any:
            return given if given is not None or other is None else getattr(other, name)

        self._init_op = chosen(init_op, "init_op")
        self._init_feed_dict = chosen(init_feed_dict, "init_feed_dict")
        self._user_init_fn = chosen(init_fn, "_user_init_fn")
        self._ready_op = chosen(ready_op, "ready_op")
        self._ready_for_local_init_op = chosen(ready_for_local_init_op, "ready_for_local_init_op")
        self._local_init_op = chosen(local_init_op, "local_init_op")
        self._local_init_feed_dict = chosen(local_init_feed_dict, "local_init_feed_dict")
        self._summary_op = chosen(summary_op, "summary_op")
        self._saver = chosen(saver, "saver")

    def finalize(self) -> Scaffold:
        """Makes what is missing, and finalizes the default graph."""
        get = self.get_or_default
        if self._init_op is None:
            self._init_op = get("init_op", GraphKeys.INIT_OP, _init_op)
        if self._ready_op is None:
            self._ready_op = get("ready_op", GraphKeys.READY_OP, _ready_op)
        if self._ready_for_local_init_op is None:
            self._ready_for_local_init_op = get(
                "ready_for_local_init_op", GraphKeys.READY_FOR_LOCAL_INIT_OP, _ready_for_local_init_op
            )
        if self._local_init_op is None:
            self._local_init_op = get("local_init_op", GraphKeys.LOCAL_INIT_OP, self.default_local_init_op)
        if self._summary_op is None:
            self._summary_op = get("summary_op", GraphKeys.SUMMARY_OP, merge_all)
        if self._saver is None:
            self._saver = get("saver", GraphKeys.SAVERS, lambda: Saver(sharded=True, allow_empty=True))
        self._saver.build()
        get_default_graph().finalize()
        log.info("Graph was finalized.")
        return self

    @property
    def init_fn(self) -> Callable[[Any], Any] | None:
        """Called with the session after `init_op`, or None."""
        function = self._user_init_fn
        return None if function is None else lambda sess: function(self, sess)

    @property
    def init_op(self) -> Any:
        """Initializes global variables and shared resources."""
        return self._init_op

    @property
    def ready_op(self) -> Any:
        """A tensor of the names of what is not initialized."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """The same for what `local_init_op` needs."""
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        """Initializes local variables and tables."""
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> Any:
        """What is fed to `local_init_op`."""
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> Any:
        """All summaries merged, or None."""
        return self._summary_op

    @property
    def saver(self) -> Any:
        """What saves and restores."""
        return self._saver

    @property
    def init_feed_dict(self) -> Any:
        """What is fed to `init_op`."""
        return self._init_feed_dict

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """The one item of a collection, else what the constructor makes, which is added to it.

        Raises:
          RuntimeError: the collection has several items.
        """
        graph = get_default_graph()
        elements = graph.get_collection(collection_key)
        if len(elements) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which one to use '
                f"by passing it to the tf.Scaffold constructor as: tf.Scaffold({arg_name}=item to use)"
            )
        if elements:
            return elements[0]
        made = default_constructor()
        if made is not None:
            graph.add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """An operation that initializes local variables, tables and local resources."""
        return group(
            sets.local_variables_initializer(),
            tables_initializer(),
            resources.initialize_resources(resources.local_resources()),
        )


def _init_op() -> Any:
    return group(
        sets.global_variables_initializer(),
        resources.initialize_resources(resources.shared_resources()),
        *get_default_graph().get_collection("saved_model_initializers"),
    )


def _ready_op() -> Any:
    return concat([sets.report_uninitialized_variables(), resources.report_uninitialized_resources()], 0)


def _ready_for_local_init_op() -> Any:
    return concat(
        [
            sets.report_uninitialized_variables(sets.global_variables()),
            resources.report_uninitialized_resources(resources.shared_resources()),
        ],
        0,
    )


@public("train.SessionCreator", "python.training.monitored_session.SessionCreator")
class SessionCreator(abc.ABC):
    """Makes the session of a monitored session."""

    @abc.abstractmethod
    def create_session(self) -> Any:
        """A new session."""


@public("train.ChiefSessionCreator", "python.training.monitored_session.ChiefSessionCreator")
class ChiefSessionCreator(SessionCreator):
    """Makes sessions that it initializes, or restores from a checkpoint.

    Args:
      scaffold: default: a plain one.
      master: the session's target.
      config: a `ConfigProto`.
      checkpoint_dir: the folder of the checkpoint to restore.
      checkpoint_filename_with_path: or the checkpoint itself.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._checkpoint_dir = checkpoint_dir
        self._checkpoint_filename_with_path = checkpoint_filename_with_path
        self._scaffold = scaffold or Scaffold()
        self._session_manager: SessionManager | None = None
        self._master = master
        self._config = config

    def create_session(self) -> Any:
        """A new session that is ready."""
        scaffold = self._scaffold
        scaffold.finalize()
        if self._session_manager is None:
            self._session_manager = _manager_of(scaffold)
        return self._session_manager.prepare_session(
            self._master,
            saver=scaffold.saver,
            checkpoint_dir=self._checkpoint_dir,
            checkpoint_filename_with_path=self._checkpoint_filename_with_path,
            config=self._config,
            init_op=scaffold.init_op,
            init_feed_dict=scaffold.init_feed_dict,
            init_fn=scaffold.init_fn,
        )


@public("train.WorkerSessionCreator", "python.training.monitored_session.WorkerSessionCreator")
class WorkerSessionCreator(SessionCreator):
    """Makes sessions that a chief makes ready.

    Args:
      scaffold: default: a plain one.
      master: the session's target.
      config: a `ConfigProto`.
      max_wait_secs: how long to wait for the chief.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        max_wait_secs: float = 30 * 60,
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._session_manager: SessionManager | None = None
        self._master = master
        self._config = config
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """A new session, waited for."""
        self._scaffold.finalize()
        if self._session_manager is None:
            self._session_manager = _manager_of(self._scaffold)
        return self._session_manager.wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs
        )


def _manager_of(scaffold: Scaffold) -> SessionManager:
    return SessionManager(
        local_init_op=scaffold.local_init_op,
        local_init_feed_dict=scaffold.local_init_feed_dict,
        ready_op=scaffold.ready_op,
        ready_for_local_init_op=scaffold.ready_for_local_init_op,
        graph=get_default_graph(),
    )
