"""`tf.contrib.slim.learning.train` and `tf.contrib.slim.evaluation`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from millrace.building.scopes import name_scope
from millrace.contributed.training.loops import SummaryAtEndHook
from millrace.core import errors, protos
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.platform import log
from millrace.lib.platform.file_contents import write_string_to_file
from millrace.lib.summary.operations import merge_all
from millrace.lib.variables import sets
from millrace.ops.array.constant import constant
from millrace.ops.math import comparison
from millrace.saver.checkpoint.state import checkpoints_iterator
from millrace.saver.saver import Saver
from millrace.training.evaluating import StopAfterNEvalsHook, counted_evaluations, evaluated
from millrace.training.global_step import get_or_create_global_step
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.stopping import FinalOpsHook
from millrace.training.sessions.scaffold import Scaffold
from millrace.training.sessions.supervisor import Supervisor

_USE_DEFAULT = 0


@public("contrib.slim.learning.train_step")
def train_step(
    sess: Any, train_op: Any, global_step: Any, train_step_kwargs: dict[str, Any]
) -> tuple[Any, bool]:
    """One step: runs `train_op`, writes a trace where one is due, and logs the loss.

    Args:
      sess: the session.
      train_op: gives the loss.
      global_step: the step's tensor.
      train_step_kwargs: `should_log`, `should_stop` and `should_trace`, tensors of bools; `logdir`, where
        traces go; `summary_writer`, which notes their metadata.

    Returns:
      The loss, and whether to stop.

    Raises:
      ValueError: a trace is due and there is no `logdir`.
    """
    start = time.time()
    options = metadata = None
    if "should_trace" in train_step_kwargs:
        if "logdir" not in train_step_kwargs:
            raise ValueError(
                "train_step: logdir must be there where should_trace is. "
                f"Received: {', '.join(sorted(train_step_kwargs))}"
            )
        if sess.run(train_step_kwargs["should_trace"]):
            options, metadata = (
                protos.RunOptions(trace_level=protos.RunOptions.FULL_TRACE),
                protos.RunMetadata(),
            )
    loss, step = sess.run([train_op, global_step], options=options, run_metadata=metadata)
    elapsed = time.time() - start
    if metadata is not None:
        _write_trace(metadata, step, train_step_kwargs)
    if "should_log" in train_step_kwargs and sess.run(train_step_kwargs["should_log"]):
        log.info("global step %d: loss = %.4f (%.3f sec/step)", step, loss, elapsed)
    stop = bool(sess.run(train_step_kwargs["should_stop"])) if "should_stop" in train_step_kwargs else False
    return loss, stop


def _write_trace(metadata: Any, step: Any, train_step_kwargs: dict[str, Any]) -> None:
    """Writes what a step did as `tf_trace-STEP.json`, and its metadata among the summaries."""
    from millrace.runtime.trace import Timeline

    path = os.path.join(train_step_kwargs["logdir"], f"tf_trace-{step}.json")
    log.info("Writing trace to %s", path)
    write_string_to_file(path, Timeline(metadata.step_stats).generate_chrome_trace_format())
    if "summary_writer" in train_step_kwargs:
        train_step_kwargs["summary_writer"].add_run_metadata(metadata, f"run_metadata-{step}")


@public("contrib.slim.learning.train")
def train(
    train_op: Any,
    logdir: Any,
    train_step_fn: Callable[..., tuple[Any, bool]] = train_step,
    train_step_kwargs: Any = _USE_DEFAULT,
    log_every_n_steps: int = 1,
    graph: Any = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = _USE_DEFAULT,
    init_feed_dict: Any = None,
    local_init_op: Any = _USE_DEFAULT,
    init_fn: Any = None,
    ready_op: Any = _USE_DEFAULT,
    summary_op: Any = _USE_DEFAULT,
    save_summaries_secs: float = 600,
    summary_writer: Any = _USE_DEFAULT,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: float = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    session_wrapper: Callable[[Any], Any] | None = None,
    trace_every_n_steps: int | None = None,
    ignore_live_threads: bool = False,
) -> Any:
    """Trains under a supervisor until a number of steps is done; returns the last loss.

    Args:
      train_op: gives the loss, as `create_train_op` makes it.
      logdir: where to restore from and save to; None to save nothing.
      train_step_fn: one step: `(session, train_op, global_step, kwargs) -> loss, whether to stop`.
      train_step_kwargs: its kwargs; default: when to log and stop.
      log_every_n_steps: steps from one logged loss to the next.
      graph: default: the default graph.
      number_of_steps: the last step; None for no end.
      startup_delay_steps: a replica waits until the step is at least this.
      save_interval_secs: seconds from one checkpoint to the next.
      sync_optimizer: a `SyncReplicasOptimizer`, or a list of them.
      session_wrapper: from the session to what the steps run.
      trace_every_n_steps: steps from one trace, `tf_trace-STEP.json` in `logdir`, to the next.
      ignore_live_threads: threads that run on at the end are not error.
      master, is_chief, global_step, init_op, init_feed_dict, local_init_op, init_fn, ready_op, summary_op,
        save_summaries_secs, summary_writer, saver, session_config: the supervisor's.

    Raises:
      ValueError: `train_op` is missing, `number_of_steps` is not positive, or summaries or traces have no
        folder.
    """
    if train_op is None:
        raise ValueError("train_op cannot be None.")
    if logdir is None:
        if summary_op is not None and summary_op is not _USE_DEFAULT:
            raise ValueError("Cannot provide summary_op because logdir=None")
        if trace_every_n_steps is not None:
            raise ValueError("Cannot provide trace_every_n_steps because logdir=None")
    if number_of_steps is not None and number_of_steps <= 0:
        raise ValueError(
            f"`number_of_steps` must be either None or a positive number. Received: {number_of_steps}"
        )
    optimizers = [] if sync_optimizer is None else sync_optimizer
    optimizers = optimizers if isinstance(optimizers, list | tuple) else [optimizers]
    graph = graph or get_default_graph()
    with graph.as_default():
        step = get_or_create_global_step() if global_step is None else global_step
        saver = saver or Saver()
        with name_scope("init_ops"):
            if init_op is _USE_DEFAULT:
                init_op = sets.global_variables_initializer()
            if ready_op is _USE_DEFAULT:
                ready_op = sets.report_uninitialized_variables()
            if local_init_op is _USE_DEFAULT:
                local_init_op = group(sets.local_variables_initializer(), tables_initializer())
            if optimizers and is_chief:
                local_init_op = group(local_init_op, *[o.chief_init_op for o in optimizers])
        if summary_op is _USE_DEFAULT:
            summary_op = merge_all()
        tokens = [o.get_init_tokens_op() for o in optimizers] if is_chief else []
        if train_step_kwargs is _USE_DEFAULT:
            train_step_kwargs = _when(step, number_of_steps, log_every_n_steps)
            if is_chief and trace_every_n_steps is not None:
                with name_scope("train_step/"):
                    train_step_kwargs["should_trace"] = comparison.equal(step % trace_every_n_steps, 0)
                train_step_kwargs["logdir"] = logdir
    supervisor = Supervisor(
        graph=graph,
        is_chief=is_chief,
        logdir=logdir,
        init_op=init_op,
        init_feed_dict=init_feed_dict,
        local_init_op=local_init_op,
        ready_op=ready_op,
        summary_op=summary_op,
        summary_writer=None if logdir is None else summary_writer,
        global_step=step,
        saver=saver,
        save_summaries_secs=save_summaries_secs,
        save_model_secs=save_interval_secs,
        init_fn=init_fn,
    )
    if summary_writer is not None:
        train_step_kwargs["summary_writer"] = supervisor.summary_writer
    loss = None
    with supervisor.managed_session(master, start_standard_services=False, config=session_config) as plain:
        sess = plain if session_wrapper is None else session_wrapper(plain)
        log.info("Starting Session.")
        if is_chief and logdir:
            supervisor.start_standard_services(plain)
        while startup_delay_steps > 0 and not is_chief and plain.run(step) < startup_delay_steps:
            time.sleep(1)  # other processes move the step on
        log.info("Starting Queues.")
        supervisor.start_queue_runners(plain)
        if optimizers and is_chief:
            supervisor.start_queue_runners(plain, [o.get_chief_queue_runner() for o in optimizers])
            plain.run(tokens)
        try:
            while not supervisor.should_stop():
                loss, stop = train_step_fn(sess, train_op, step, train_step_kwargs)
                if stop:
                    log.info("Stopping Training.")
                    supervisor.request_stop()
                    break
        except errors.OutOfRangeError:
            log.info("Caught OutOfRangeError. Stopping Training.")
        if logdir and supervisor.is_chief:
            log.info("Finished training! Saving model to disk.")
            supervisor.saver.save(plain, supervisor.save_path, global_step=step)
            supervisor.stop(close_summary_writer=True, ignore_live_threads=ignore_live_threads)
    return loss


def _when(step: Any, last: int | None, log_every: int) -> dict[str, Any]:
    """When `train_step` logs and stops."""
    with name_scope("train_step"):
        kwargs = {"should_stop": comparison.greater_equal(step, last) if last else constant(False)}
        if log_every > 0:
            kwargs["should_log"] = comparison.equal(step % log_every, 0)
        return kwargs


# --- evaluation ---------------------------------------------------------------------------------------------


def _evaluated(
    master: str,
    path: Any,
    logdir: Any,
    num_evals: int | None,
    initial: tuple[Any, Any],
    evaluation: tuple[Any, Any],
    final: FinalOpsHook,
    summaries: tuple[Any, Any],
    saver: Any,
    config: Any,
    hooks: Sequence[SessionRunHook] | None,
    once: bool,
) -> None:
    """One evaluation of one checkpoint, the only one or one of several."""
    summary_op = merge_all() if summaries[0] is _USE_DEFAULT else summaries[0]
    every: list[SessionRunHook] = [StopAfterNEvalsHook(num_evals), final, *(hooks or ())]
    if summary_op is not None:
        every.append(SummaryAtEndHook(logdir, summary_op=summary_op, feed_dict=summaries[1]))
    ops = counted_evaluations(evaluation[0] if evaluation[0] is not None else [], every)
    scaffold = Scaffold(init_op=initial[0], init_feed_dict=initial[1], saver=saver)
    evaluated(path, master, scaffold, ops, evaluation[1], every, config, once)


@public("contrib.slim.evaluation.evaluate_once")
def evaluate_once(
    master: str,
    checkpoint_path: Any,
    logdir: Any,
    num_evals: int | None = 1,
    initial_op: Any = None,
    initial_op_feed_dict: Any = None,
    eval_op: Any = None,
    eval_op_feed_dict: Any = None,
    final_op: Any = None,
    final_op_feed_dict: Any = None,
    summary_op: Any = _USE_DEFAULT,
    summary_op_feed_dict: Any = None,
    variables_to_restore: Any = None,
    session_config: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
) -> Any:
    """Evaluates a checkpoint; returns the value of `final_op`.

    Args:
      master: the session's target.
      checkpoint_path: the checkpoint.
      logdir: where to write summaries.
      num_evals: how often to run `eval_op`.
      initial_op, initial_op_feed_dict: run first, where nothing is restored.
      eval_op, eval_op_feed_dict: run `num_evals` times.
      final_op, final_op_feed_dict: fetched at the end.
      summary_op, summary_op_feed_dict: summaries; default: all merged.
      variables_to_restore: default: all.
      session_config: a `ConfigProto`.
      hooks: further `SessionRunHook`s.
    """
    final = FinalOpsHook(final_op, final_op_feed_dict)
    saver = None if variables_to_restore is None else Saver(variables_to_restore)
    _evaluated(
        master,
        checkpoint_path,
        logdir,
        num_evals,
        (initial_op, initial_op_feed_dict),
        (eval_op, eval_op_feed_dict),
        final,
        (summary_op, summary_op_feed_dict),
        saver,
        session_config,
        hooks,
        once=True,
    )
    return final.final_ops_values


@public("contrib.slim.evaluation.evaluation_loop")
def evaluation_loop(
    master: str,
    checkpoint_dir: Any,
    logdir: Any,
    num_evals: int | None = 1,
    initial_op: Any = None,
    initial_op_feed_dict: Any = None,
    init_fn: Any = None,
    eval_op: Any = None,
    eval_op_feed_dict: Any = None,
    final_op: Any = None,
    final_op_feed_dict: Any = None,
    summary_op: Any = _USE_DEFAULT,
    summary_op_feed_dict: Any = None,
    variables_to_restore: Any = None,
    eval_interval_secs: float = 60,
    max_number_of_evaluations: int | None = None,
    session_config: Any = None,
    timeout: float | None = None,
    timeout_fn: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
) -> Any:
    """Evaluates each new checkpoint of a folder; returns the last value of `final_op`.

    Args:
      checkpoint_dir: the folder.
      init_fn: accepted.
      eval_interval_secs: seconds from one evaluation to the next, at least.
      max_number_of_evaluations: how many checkpoints to evaluate; None for any number.
      timeout: how long to wait for a checkpoint; None for ever.
      timeout_fn: called after that; True means there will be no more.
      master, logdir, num_evals, initial_op, initial_op_feed_dict, eval_op, eval_op_feed_dict, final_op,
        final_op_feed_dict, summary_op, summary_op_feed_dict, variables_to_restore, session_config, hooks: as
        for `evaluate_once`.
    """
    final = FinalOpsHook(final_op, final_op_feed_dict)
    saver = None if variables_to_restore is None else Saver(variables_to_restore)
    paths = checkpoints_iterator(checkpoint_dir, eval_interval_secs, timeout=timeout, timeout_fn=timeout_fn)
    for count, path in enumerate(paths, 1):
        _evaluated(
            master,
            path,
            logdir,
            num_evals,
            (initial_op, initial_op_feed_dict),
            (eval_op, eval_op_feed_dict),
            final,
            (summary_op, summary_op_feed_dict),
            saver,
            session_config,
            hooks,
            once=False,
        )
        if max_number_of_evaluations is not None and count >= max_number_of_evaluations:
            break
    return final.final_ops_values
