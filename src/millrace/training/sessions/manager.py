"""`SessionManager`: makes sessions whose variables have been restored or initialized."""

from __future__ import annotations

import time
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.lib.platform import log
from millrace.saver.checkpoint.state import get_checkpoint_state
from millrace.session.session import Session


@public("train.SessionManager", "python.training.session_manager.SessionManager")
class SessionManager:
    """Makes sessions that are ready: restored from a checkpoint, else initialized.

    Args:
      local_init_op: run in every new session.
      ready_op: a tensor of what is not ready yet, names mostly; empty when all is.
      ready_for_local_init_op: the same for what `local_init_op` needs.
      graph: default: the default graph.
      recovery_wait_secs: how long to wait between two looks at a checkpoint or a model that is not ready.
      local_init_run_options: a `RunOptions` for `local_init_op`.
      local_init_feed_dict: what to feed to it.

    Raises:
      ValueError: `ready_for_local_init_op` is given without `local_init_op`.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Graph | None = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        self._local_init_op = local_init_op
        self._ready_op = ready_op
        self._ready_for_local_init_op = ready_for_local_init_op
        self._graph = graph or get_default_graph()
        self._recovery_wait_secs = recovery_wait_secs
        self._local_init_run_options = local_init_run_options
        self._local_init_feed_dict = local_init_feed_dict
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "SessionManager: ready_for_local_init_op needs a local_init_op. "
                f"Received: {ready_for_local_init_op!r}"
            )

    def _restored(
        self,
        master: str,
        saver: Any,
        checkpoint_dir: Any,
        checkpoint_filename_with_path: Any,
        wait_for_checkpoint: bool,
        max_wait_secs: float,
        config: Any,
    ) -> tuple[Session, bool]:
        """A new session, and whether a checkpoint was restored in it."""
        if checkpoint_dir and checkpoint_filename_with_path:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        sess = Session(master, graph=self._graph, config=config)
        if saver is None or not (checkpoint_dir or checkpoint_filename_with_path):
            return sess, False
        if checkpoint_filename_with_path:
            saver.restore(sess, checkpoint_filename_with_path)
            return sess, True
        until = time.monotonic() + max_wait_secs
        state = get_checkpoint_state(checkpoint_dir)
        while not state or not state.model_checkpoint_path:
            if not wait_for_checkpoint or time.monotonic() >= until:
                return sess, False
            log.info("Waiting for checkpoint to be available.")
            time.sleep(self._recovery_wait_secs)
            state = get_checkpoint_state(checkpoint_dir)
        saver.restore(sess, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return sess, True

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Any = None,
    ) -> Session:
        """A session that is ready, from a checkpoint where there is one.

        Args:
          master: the session's target.
          init_op: run where nothing was restored.
          saver: restores.
          checkpoint_dir: the folder of the checkpoint.
          checkpoint_filename_with_path: or the checkpoint itself.
          wait_for_checkpoint: wait for one.
          max_wait_secs: that long at most.
          config: a `ConfigProto`.
          init_feed_dict: what to feed to `init_op`.
          init_fn: called with the session after `init_op`.

        Raises:
          RuntimeError: there is no way to initialize, or afterwards something is not initialized.
          ValueError: a folder and a file are given.
        """
        sess, loaded = self._restored(
            master,
            saver,
            checkpoint_dir,
            checkpoint_filename_with_path,
            wait_for_checkpoint,
            max_wait_secs,
            config,
        )
        if not loaded:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError(
                    "Model is not initialized and no init_op or init_fn or local_init_op was given"
                )
            if init_op is not None:
                sess.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(sess)
        given = (
            f"Init op: {getattr(init_op, 'name', init_op)}, init fn: {init_fn}, "
            f"local_init_op: {getattr(self._local_init_op, 'name', self._local_init_op)}"
        )
        done, message = self._try_local_init(sess)
        if not done:
            raise RuntimeError(
                f"Init operations did not make model ready for local_init.  {given}, error: {message}"
            )
        done, message = self._ready(self._ready_op, sess)
        if not done:
            raise RuntimeError(f"Init operations did not make model ready.  {given}, error: {message}")
        return sess

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A session, and whether it is ready after a checkpoint was restored; arguments as above."""
        sess, loaded = self._restored(
            master,
            saver,
            checkpoint_dir,
            checkpoint_filename_with_path,
            wait_for_checkpoint,
            max_wait_secs,
            config,
        )
        done, message = self._try_local_init(sess)
        if not loaded:
            return sess, False
        source = checkpoint_dir or checkpoint_filename_with_path
        if not done:
            log.info("Restoring model from %s did not make model ready for local init: %s", source, message)
            return sess, False
        done, message = self._ready(self._ready_op, sess)
        if not done:
            log.info("Restoring model from %s did not make model ready: %s", source, message)
            return sess, False
        log.info("Restored model from %s", source)
        return sess, True

    def wait_for_session(
        self, master: str, config: Any = None, max_wait_secs: float = float("inf")
    ) -> Session:
        """A session whose model somebody else makes ready.

        Raises:
          DeadlineExceededError: it is not ready after `max_wait_secs`.
        """
        until = time.monotonic() + (float("inf") if max_wait_secs is None else max_wait_secs)
        while True:
            sess = Session(master, graph=self._graph, config=config)
            done, not_local = self._try_local_init(sess)
            not_ready = None
            if done:
                done, not_ready = self._ready(self._ready_op, sess)
                if done:
                    return sess
            sess.close()
            if until - time.monotonic() < self._recovery_wait_secs:
                raise errors.DeadlineExceededError(
                    None, None, f"Session was not ready after waiting {max_wait_secs} secs."
                )
            log.info(
                "Waiting for model to be ready.  Ready_for_local_init_op:  %s, ready: %s",
                not_local,
                not_ready,
            )
            time.sleep(self._recovery_wait_secs)

    def _try_local_init(self, sess: Session) -> tuple[bool, str | None]:
        if self._local_init_op is None:
            return True, None
        done, message = self._ready(self._ready_for_local_init_op, sess)
        if not done:
            return False, message
        log.info("Running local_init_op.")
        sess.run(
            self._local_init_op,
            feed_dict=self._local_init_feed_dict,
            options=self._local_init_run_options,
        )
        log.info("Done running local_init_op.")
        return True, None

    def _ready(self, op: Any, sess: Session) -> tuple[bool, str | None]:
        """Whether nothing is missing, and what is."""
        if op is None:
            return True, None
        try:
            value = sess.run(op)
        except errors.FailedPreconditionError as error:
            if "uninitialized" not in str(error):
                log.warning("Model not ready: raised %s", error)
                raise
            return False, str(error)
        if value is None or getattr(value, "dtype", None) == "int32" or not getattr(value, "size", 0):
            return True, None
        names = ", ".join(v.decode() if isinstance(v, bytes) else str(v) for v in value.ravel())
        return False, f"Variables not initialized: {names}"
