"""`Estimator`: a graph from a model function and an input function, run in one of three modes."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core import homes, nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.models.estimator import evaluating, exporting, training
from millrace.models.estimator.arguments import arguments_of, check_hooks, check_model_fn, checked_listeners
from millrace.models.estimator.feeding import features_and_labels
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.predicting import chosen, examples_of
from millrace.models.estimator.run_config import settled
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.estimator.warm import begin_with, settings_of
from millrace.opkit.random.seeds import set_random_seed
from millrace.saver.checkpoint.reader import load_checkpoint, load_variable
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.training.global_step import (
    assert_global_step,
    create_global_step,
    get_global_step,
    global_step_read,
)
from millrace.training.hooks.stopping import StopAtStepHook
from millrace.training.sessions.monitored import MonitoredSession
from millrace.training.sessions.scaffold import ChiefSessionCreator, Scaffold


@public("estimator.Estimator", "python.estimator.estimator.Estimator")
class Estimator:
    """A model that trains, evaluates, predicts and exports itself; each call builds a graph of its own.

    Args:
      model_fn: takes features, labels, mode, params and config, as far as it names them; gives an
        `EstimatorSpec`.
      model_dir: the folder of checkpoints and summaries; default, that of the configuration, or a new one.
      config: a `RunConfig`.
      params: passed to `model_fn`.
      warm_start_from: a checkpoint or `WarmStartSettings` to begin with.

    Raises:
      ValueError: the arguments of `model_fn`, or two folders, do not agree.
      TypeError: `config` is not a `RunConfig`.
    """

    says_what_it_does = True
    """Whether the log tells of calls of the model, endless input and evaluated checkpoints."""

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        warm_start_from: Any = None,
    ) -> None:
        type(self)._assert_members_are_not_overridden(self)
        self._config = settled(config, model_dir)
        self._model_dir: Any = self._config.model_dir
        log.info("Using config: %s", vars(self._config))
        self._session_config = self._config.session_config
        if model_fn is None:
            raise ValueError("model_fn must be provided to Estimator.")
        check_model_fn(model_fn, params)
        self._model_fn = model_fn
        self._params = copy.deepcopy(params or {})
        self._warm_start_settings = settings_of(warm_start_from)

    @property
    def model_dir(self) -> Any:
        """The folder of checkpoints and summaries."""
        return self._model_dir

    @property
    def config(self) -> Any:
        """A copy of the configuration."""
        return copy.deepcopy(self._config)

    @property
    def params(self) -> Any:
        """A copy of the parameters."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[..., Any]:
        """The model function, bound to the parameters."""

        def public_model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
            return self._call_model_fn(features, labels, mode, config)

        return public_model_fn

    def get_variable_value(self, name: str) -> Any:
        """The value of a variable in the newest checkpoint.

        Raises:
          ValueError: there is no checkpoint yet.
        """
        self._check_trained()
        return load_variable(self.model_dir, name)

    def get_variable_names(self) -> list[str]:
        """The names of all variables in the newest checkpoint.

        Raises:
          ValueError: there is no checkpoint yet.
        """
        self._check_trained()
        return list(load_checkpoint(self.model_dir).get_variable_to_shape_map())

    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return latest_checkpoint(self.model_dir)

    def eval_dir(self, name: str | None = None) -> str:
        """The folder of an evaluation's summaries."""
        return os.path.join(self._model_dir, "eval" if not name else f"eval_{name}")

    def _check_trained(self) -> None:
        if not latest_checkpoint(self.model_dir):
            raise ValueError(f"Could not find trained model in model_dir: {self.model_dir}.")

    # --- training -------------------------------------------------------------------------------------------

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Any = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Any = None,
    ) -> Estimator:
        """Trains, from the newest checkpoint on.

        Args:
          input_fn: gives features and labels, or a dataset of them.
          hooks: `SessionRunHook`s.
          steps: how many more steps; None to go on to the end of the data.
          max_steps: up to which step in all; instead of `steps`.
          saving_listeners: told when checkpoints are saved.

        Returns:
          The estimator itself.

        Raises:
          ValueError: `steps` and `max_steps` are both given, or one is not positive.
          TypeError: a hook or a listener is something else.
        """
        if steps is not None and max_steps is not None:
            raise ValueError(f"Can not provide both steps and max_steps. Received: {steps} and {max_steps}")
        for value, name in ((steps, "steps"), (max_steps, "max_steps")):
            if value is not None and value <= 0:
                raise ValueError(f"Must specify {name} > 0, given: {value}")
        if max_steps is not None:
            start = training.step_of(self.model_dir)
            if max_steps <= start:
                log.info("Skipping training since max_steps has already saved.")
                return self
        all_hooks = check_hooks(hooks)
        if steps is not None or max_steps is not None:
            all_hooks.append(StopAtStepHook(steps, max_steps))
        listeners = checked_listeners(saving_listeners)
        loss = self._train_model(input_fn, all_hooks, listeners)
        log.info("Loss for final step: %s.", loss)
        return self

    def _train_model(self, input_fn: Any, hooks: list[Any], saving_listeners: list[Any]) -> Any:
        with Graph().as_default() as graph, graph.device(self._config.device_fn):
            set_random_seed(self._config.tf_random_seed)
            if self._create_and_assert_global_step(graph) is not None:
                global_step_read(graph)
            features, labels, input_hooks = self._features_and_labels(input_fn, ModeKeys.TRAIN)
            spec = self._call_model_fn(features, labels, ModeKeys.TRAIN, self.config)
            global_step = get_global_step(graph)
            worker_hooks = [*hooks, *input_hooks]
            return self._train_with_spec(spec, worker_hooks, global_step, saving_listeners)

    def _train_with_spec(
        self, spec: Any, worker_hooks: list[Any], global_step: Any, saving_listeners: list[Any]
    ) -> Any:
        self._warm_start_where_new(latest_checkpoint(self._model_dir))
        return training.run_training(
            spec, worker_hooks, global_step, saving_listeners, self._config, self._session_config
        )

    # --- evaluation -----------------------------------------------------------------------------------------

    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Any = None,
        checkpoint_path: Any = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Evaluates a checkpoint.

        Args:
          input_fn: gives features and labels, or a dataset of them.
          steps: how many batches; None for all.
          hooks: `SessionRunHook`s.
          checkpoint_path: default: the newest; the initial values where there is none.
          name: tells evaluations on different data apart.

        Returns:
          The metrics by name, the loss and the global step among them.

        Raises:
          ValueError: `steps` is not positive.
        """
        all_hooks = check_hooks(hooks)
        if steps is not None:
            if steps <= 0:
                raise ValueError(f"Must specify steps > 0, given: {steps}")
            all_hooks.append(evaluating.stop_after(steps))
        checkpoint_path = checkpoint_path or self._newest_or_say("evaluate")
        with Graph().as_default() as graph, graph.device(self._config.device_fn):
            set_random_seed(self._config.tf_random_seed)
            self._create_and_assert_global_step(graph)
            features, labels, input_hooks = self._features_and_labels(input_fn, ModeKeys.EVAL)
            spec = self._call_model_fn(features, labels, ModeKeys.EVAL, self.config)
            update, values = self._metric_operations(spec, get_global_step(graph))
            scaffold = self._local_scaffold(spec, checkpoint_path)
            found = evaluating.run_evaluation(
                checkpoint_path,
                self._config.evaluation_master,
                scaffold,
                update,
                values,
                [*all_hooks, *input_hooks, *spec.evaluation_hooks],
                self._session_config,
            )
        step = found["global_step"]
        evaluating.write_metrics(self.eval_dir(name), found, step)
        if checkpoint_path and self.says_what_it_does:
            evaluating.write_checkpoint_path(self.eval_dir(name), checkpoint_path, step)
        return found

    def _newest_or_say(self, what: str) -> str | None:
        path = latest_checkpoint(self._model_dir)
        if not path:
            log.info(
                "Could not find trained model in model_dir: %s, running initialization to %s.",
                self._model_dir,
                what,
            )
        return path

    def _local_scaffold(self, spec: Any, checkpoint_path: Any) -> Any:
        self._warm_start_where_new(checkpoint_path)
        return spec.scaffold or Scaffold()

    def _warm_start_where_new(self, checkpoint_path: Any) -> None:
        if self._warm_start_settings and not checkpoint_path:
            log.info("Warm-starting with WarmStartSettings: %s", self._warm_start_settings)
            begin_with(self._warm_start_settings)

    # --- prediction -----------------------------------------------------------------------------------------

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Any = None,
        hooks: Any = None,
        checkpoint_path: Any = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Gives the predictions of a checkpoint, one example after another.

        Args:
          input_fn: gives features, or a dataset of them.
          predict_keys: the names of the predictions to give; default, all.
          hooks: `SessionRunHook`s.
          checkpoint_path: default: the newest; the initial values where there is none.
          yield_single_examples: False gives whole batches.

        Raises:
          ValueError: predictions have different batch sizes, or `predict_keys` names none.
        """
        all_hooks = check_hooks(hooks)
        checkpoint_path = checkpoint_path or self._newest_or_say("predict")
        with Graph().as_default() as graph, graph.device(self._config.device_fn):
            set_random_seed(self._config.tf_random_seed)
            self._create_and_assert_global_step(graph)
            features, input_hooks = self._features_from_input_fn(input_fn, ModeKeys.PREDICT)
            spec = self._call_model_fn(features, None, ModeKeys.PREDICT, self.config)
            scaffold = self._local_scaffold(spec, checkpoint_path)
            predictions = chosen(spec.predictions, predict_keys)
            all_hooks += [*input_hooks, *spec.prediction_hooks]
            creator = ChiefSessionCreator(
                checkpoint_filename_with_path=checkpoint_path,
                master=self._config.master,
                scaffold=scaffold,
                config=self._session_config,
            )
            with MonitoredSession(session_creator=creator, hooks=all_hooks) as session:
                while not session.should_stop():
                    batch = session.run(predictions)
                    if yield_single_examples:
                        yield from examples_of(batch)
                    else:
                        yield batch

    def _metric_operations(self, spec: Any, global_step: Any) -> tuple[Any, dict[str, Any]]:
        return evaluating.metric_operations(spec, global_step)

    # --- graphs ---------------------------------------------------------------------------------------------

    def _create_global_step(self, graph: Graph) -> Any:
        return create_global_step(graph)

    def _create_and_assert_global_step(self, graph: Graph) -> Any:
        step = self._create_global_step(graph)
        assert_global_step(step)
        return step

    def _call_input_fn(self, input_fn: Callable[..., Any], mode: str, input_context: Any = None) -> Any:
        names, given = arguments_of(input_fn), {}
        if "mode" in names:
            given["mode"] = mode
        if "params" in names:
            given["params"] = self.params
        if "config" in names:
            given["config"] = self.config
        if input_context and "input_context" in names:
            given["input_context"] = input_context
        with get_default_graph().device("/cpu:0"):
            return input_fn(**given)

    def _features_and_labels(self, input_fn: Any, mode: str) -> tuple[Any, Any, list[Any]]:
        return features_and_labels(self._call_input_fn(input_fn, mode))

    def _features_from_input_fn(self, input_fn: Any, mode: str) -> tuple[Any, list[Any]]:
        given = self._call_input_fn(input_fn, mode)
        features, _, hooks = features_and_labels(given)
        ends = hooks or any(t.op.type.startswith("IteratorGetNext") for t in nest.flatten(features))
        ends = ends or get_default_graph().get_collection(GraphKeys.QUEUE_RUNNERS)
        if self.says_what_it_does and not ends:
            log.warning(
                "Input graph does not use tf.data.Dataset or contain a QueueRunner. That means predict "
                "yields forever. This is probably a mistake."
            )
        return features, hooks

    def _call_model_fn(self, features: Any, labels: Any, mode: str, config: Any) -> Any:
        names, given = arguments_of(self._model_fn), {}
        if "labels" in names:
            given["labels"] = labels
        elif labels is not None:
            raise ValueError(
                f"model_fn does not take labels, but input_fn returns labels. Received: {labels}"
            )
        if "mode" in names:
            given["mode"] = mode
        if "params" in names:
            given["params"] = self.params
        if "config" in names:
            given["config"] = config
        say = log.info if self.says_what_it_does else log.debug
        say("Calling model_fn.")
        spec = self._model_fn(features=features, **given)
        say("Done calling model_fn.")
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(f"model_fn should return an EstimatorSpec. Received: {spec!r}")
        return spec

    # --- export ---------------------------------------------------------------------------------------------

    def export_saved_model(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: dict[str, Any] | None = None,
        as_text: bool = False,
        checkpoint_path: Any = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Writes a SavedModel into a new folder, named by the time.

        Args:
          export_dir_base: where the folder is made.
          serving_input_receiver_fn: gives a `ServingInputReceiver`.
          assets_extra: more files, from their places under `assets.extra` to their paths.
          as_text: write `saved_model.pbtxt`.
          checkpoint_path: default: the newest.
          experimental_mode: the mode of the graph.

        Returns:
          The folder's path.

        Raises:
          ValueError: there is no function, or no checkpoint.
        """
        if not serving_input_receiver_fn:
            raise ValueError("An input_receiver_fn must be defined.")
        wanted = {experimental_mode: serving_input_receiver_fn}
        return exporting.export(self, export_dir_base, wanted, assets_extra, as_text, checkpoint_path)

    def export_savedmodel(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: dict[str, Any] | None = None,
        as_text: bool = False,
        checkpoint_path: Any = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """Old name of `export_saved_model`."""
        if not serving_input_receiver_fn:
            raise ValueError("An input_receiver_fn must be defined.")
        wanted = {ModeKeys.PREDICT: serving_input_receiver_fn}
        return exporting.export(
            self, export_dir_base, wanted, assets_extra, as_text, checkpoint_path, strip_default_attrs
        )

    def experimental_export_all_saved_models(
        self,
        export_dir_base: Any,
        input_receiver_fn_map: dict[str, Callable[[], Any]],
        assets_extra: dict[str, Any] | None = None,
        as_text: bool = False,
        checkpoint_path: Any = None,
    ) -> bytes:
        """Writes one SavedModel with a graph for each mode of the map; see `export_saved_model`."""
        return exporting.export(
            self, export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path
        )

    def _assert_members_are_not_overridden(self) -> None:
        """A program's subclass of Estimator adds to it and changes none of its methods.

        Packages whose subclasses do so put a function that does nothing in the place of this one.

        Raises:
          ValueError: it changes one.
        """
        kind = type(self)
        if homes.module_of(kind).startswith("millrace."):
            return
        public = {name for name in vars(Estimator) if not name.startswith("_")} - {"model_fn"}
        changed = sorted(public.intersection(vars(kind)))
        if changed and kind is not Estimator:
            raise ValueError(
                "Subclasses of Estimator cannot override members of Estimator. "
                f"{kind} does override {changed}"
            )
