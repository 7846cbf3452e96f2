"""Evaluations beside a training, of the variables that it has in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.models.estimator import evaluating
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.modes import ModeKeys
from millrace.opkit.random.seeds import set_random_seed
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.timers import SecondOrStepTimer
from millrace.training.sessions.monitored import ChiefSessionCreator, MonitoredSession
from millrace.training.sessions.scaffold import Scaffold


@public("estimator.experimental.InMemoryEvaluatorHook")
class InMemoryEvaluatorHook(SessionRunHook):
    """Evaluates an estimator while it trains, without a checkpoint: at first, every so many steps, at last.

    Args:
      estimator: a `tf.estimator.Estimator`, the one that is trained.
      input_fn: gives features and labels.
      steps: how many batches an evaluation reads; None for all.
      hooks: `SessionRunHook`s of the evaluations.
      name: tells evaluations on different data apart.
      every_n_iter: after how many steps it evaluates.

    Raises:
      ValueError: `every_n_iter` is not positive, or variables lie on parameter servers.
    """

    def __init__(
        self,
        estimator: Any,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Any = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if every_n_iter is None or every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        if not isinstance(estimator, Estimator):
            raise TypeError(f"`estimator` must have type `tf.estimator.Estimator`. Got: {type(estimator)}")
        if estimator.config.num_ps_replicas > 0 or estimator.config.num_worker_replicas > 1:
            raise ValueError(
                "InMemoryEvaluator supports only single machine (aka Local) setting. Received: "
                f"{estimator.config.num_ps_replicas} parameter servers, "
                f"{estimator.config.num_worker_replicas} workers"
            )
        self._estimator, self._input_fn = estimator, input_fn
        self._steps, self._hooks, self._name = steps, list(hooks or ()), name
        self._timer = SecondOrStepTimer(every_steps=every_n_iter)
        self._steps_done = 0
        self._trained: dict[str, Any] = {}

    def begin(self) -> None:
        """Draws the graph of the evaluations."""
        self._timer.reset()
        self._steps_done = 0
        estimator = self._estimator
        self._graph = Graph()
        with self._graph.as_default():
            set_random_seed(estimator.config.tf_random_seed)
            step = estimator._create_and_assert_global_step(self._graph)
            features, labels, self._input_hooks = estimator._features_and_labels(
                self._input_fn, ModeKeys.EVAL
            )
            self._spec = estimator._call_model_fn(features, labels, ModeKeys.EVAL, estimator.config)
            self._update, self._values = evaluating.metric_operations(self._spec, step)
            self._variables = {v.name: v for v in self._graph.get_collection(GraphKeys.GLOBAL_VARIABLES)}

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Evaluates what the training begins with.

        Raises:
          ValueError: the graph saves more than variables.
        """
        del coord
        if get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS):
            raise ValueError(
                "InMemoryEvaluator does not support saveables other than global variables. Received: "
                f"{get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS)}"
            )
        found = get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)
        self._trained = {v.name: v for v in found if v.name in self._variables}
        self._evaluate(session)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Evaluates where as many steps were made."""
        del run_values
        self._steps_done += 1
        if self._timer.should_trigger_for_step(self._steps_done):
            self._evaluate(run_context.session)

    def end(self, session: Any) -> None:
        """Evaluates what the training ends with."""
        self._evaluate(session)

    def _evaluate(self, session: Any) -> None:
        self._timer.update_last_triggered_step(self._steps_done)
        values = session.run(self._trained)
        with self._graph.as_default():

            def put(scaffold: Any, inner: Any) -> None:
                del scaffold
                for name, value in values.items():
                    self._variables[name].load(value, inner)

            scaffold = Scaffold(
                init_fn=put, local_init_op=self._spec.scaffold.local_init_op, copy_from_scaffold=None
            )
            hooks = [*self._input_hooks, *self._spec.evaluation_hooks, *self._hooks]
            found = self._run(scaffold, hooks)
        evaluating.write_metrics(self._estimator.eval_dir(self._name), found, found["global_step"])

    def _run(self, scaffold: Scaffold, hooks: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}

        class Last(SessionRunHook):
            """Reads the metrics before the session closes."""

            def __init__(self, values: dict[str, Any]) -> None:
                self._values = values

            def end(self, session: Any) -> None:
                found.update(session.run(self._values))

        count = 0
        with MonitoredSession(ChiefSessionCreator(scaffold), [*hooks, Last(self._values)]) as session:
            while not session.should_stop() and (self._steps is None or count < self._steps):
                session.run(self._update)
                count += 1
        return found
