"""Evaluation of a checkpoint: a count of the runs, and a hook that ends them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.lib.variables import initializers
from millrace.lib.variables.scope import get_variable
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook
from millrace.training.hooks.stopping import FinalOpsHook
from millrace.training.sessions.monitored import MonitoredSession
from millrace.training.sessions.scaffold import ChiefSessionCreator


@public("contrib.training.get_or_create_eval_step")
def get_or_create_eval_step() -> Any:
    """The variable that counts evaluations, made where there is none.

    Raises:
      ValueError: the graph has several.
    """
    graph = get_default_graph()
    found = graph.get_collection(GraphKeys.EVAL_STEP)
    if len(found) > 1:
        raise ValueError("Multiple tensors added to tf.GraphKeys.EVAL_STEP")
    if found:
        return found[0]
    return get_variable(
        "eval_step",
        shape=[],
        dtype=dtypes.int64,
        initializer=initializers.Zeros(),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.EVAL_STEP],
    )


@public("contrib.training.StopAfterNEvalsHook")
class StopAfterNEvalsHook(SessionRunHook):
    """Asks for a stop after some evaluations.

    Args:
      num_evals: how many; None to go on to the end of the data.
      log_progress: log each of them.
    """

    def __init__(self, num_evals: int | None, log_progress: bool = True) -> None:
        self._num_evals = num_evals
        self._evals_completed: Any = None
        self._log_progress = log_progress
        # Of many evaluations about ten are logged.
        self._log_frequency = 1 if num_evals is None or num_evals < 20 else num_evals // 10

    def _set_evals_completed_tensor(self, updated_eval_step: Any) -> None:
        self._evals_completed = updated_eval_step

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks for the count."""
        return SessionRunArgs({"evals_completed": self._evals_completed})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks whether that was the last."""
        done = run_values.results["evals_completed"]
        if self._log_progress:
            if self._num_evals is None:
                log.info("Evaluation [%d]", done)
            elif done % self._log_frequency == 0 or done == self._num_evals:
                log.info("Evaluation [%d/%d]", done, self._num_evals)
        if self._num_evals is not None and done >= self._num_evals:
            run_context.request_stop()


def counted_evaluations(eval_ops: Any, hooks: list[SessionRunHook]) -> Any:
    """`eval_ops` with the count of evaluations, which the hooks are told."""
    step = get_or_create_eval_step()
    if eval_ops is None:
        return None
    update = step.assign_add(1, use_locking=True)
    for hook in hooks:
        if hasattr(hook, "_set_evals_completed_tensor"):
            hook._set_evals_completed_tensor(update)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(eval_ops, dict):
        return {**eval_ops, "update_eval_step": update}
    return [*eval_ops, update] if isinstance(eval_ops, list | tuple) else [eval_ops, update]


def _say_start() -> None:
    log.info("Starting evaluation at %s", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def evaluated(
    checkpoint: Any,
    master: str,
    scaffold: Any,
    eval_ops: Any,
    feed_dict: Any,
    hooks: list[SessionRunHook],
    config: Any,
    once: bool = True,
) -> None:
    """Runs `eval_ops` on a checkpoint until a hook wants to stop or the data ends.

    Args:
      once: no others follow, and the log tells of it before there is a session.
    """
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=checkpoint)
    if once:
        _say_start()
    with MonitoredSession(creator, hooks) as session:
        if not once:
            _say_start()
        while eval_ops is not None and not session.should_stop():
            session.run(eval_ops, feed_dict)
    log.info("Finished evaluation at %s", time.strftime("%Y-%m-%d-%H:%M:%S", time.gmtime()))


@public("contrib.training.evaluate_once")
def evaluate_once(
    checkpoint_path: Any,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
    config: Any = None,
) -> Any:
    """Evaluates a checkpoint; returns the values of `final_ops`.

    Args:
      checkpoint_path: the checkpoint; None to initialize.
      master: the session's target.
      scaffold: a `Scaffold`.
      eval_ops: run until a hook wants to stop or the data ends.
      feed_dict: fed to these runs.
      final_ops: fetched at the end.
      final_ops_feed_dict: fed then.
      hooks: `SessionRunHook`s, a `StopAfterNEvalsHook` among them.
      config: a `ConfigProto`.
    """
    all_hooks = list(hooks or ())
    counted = counted_evaluations(eval_ops, all_hooks)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    evaluated(checkpoint_path, master, scaffold, counted, feed_dict, [*all_hooks, final], config)
    return final.final_ops_values
