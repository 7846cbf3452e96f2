"""`Model`: a network that trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import nest
from millrace.core.public import public
from millrace.lib.layers import settings, tracking
from millrace.lib.layers.node import int_shape, mask_of
from millrace.models.keras.backend import arrays, session
from millrace.models.keras.callbacks.progress import History
from millrace.models.keras.engine import compiling, data, fitting
from millrace.models.keras.engine import layer as layer  # what layers need is in place wherever models are
from millrace.models.keras.engine.compiling import Endpoint
from millrace.models.keras.engine.network import Network
from millrace.models.keras.metrics.base import Metric
from millrace.models.keras.optimizers import named as optimizers
from millrace.models.keras.saving import files, objects
from millrace.saver.object_checkpoint import LoadStatus


@public("keras.Model", "keras.models.Model")
class Model(Network):
    """Layers joined by their calls, to be trained and asked.

    Made of inputs and outputs, `Model(inputs, outputs)`, or by a subclass that makes layers in `__init__`
    and says in `call` what it does with them.

    Args:
      inputs: nested tensors of `Input`.
      outputs: nested tensors that layers made of them.
      name: its name.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stop_training = False
        self.history: Any = None

    _endpoints: list[Endpoint]
    _compile_metrics: list[Any]
    _functions: dict[str, Any]  # what runs a batch, by kind

    def _init_base(self, name: str | None, **kwargs: Any) -> None:
        super()._init_base(name, **kwargs)
        object.__setattr__(self, "_endpoints", [])
        object.__setattr__(self, "_compile_metrics", [])
        object.__setattr__(self, "_functions", {})
        self.optimizer: Any = None
        self.loss: Any = None

    # --- compiling ------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        distribute: Any = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the model for training.

        Args:
          optimizer: a name, an optimizer of Keras, or one of `tf.train`.
          loss: a name, function or object; a list, or a dict by output, for several outputs.
          metrics: names, functions or objects; nested lists, or a dict by output, for several outputs.
          loss_weights: the losses' factors, a list or a dict by output.
          sample_weight_mode: "temporal" for weights of each time step.
          weighted_metrics: metrics that sample and class weights weigh.
          target_tensors: what is true, as tensors, instead of placeholders.
          distribute: refused unless None.
          **kwargs: `run_eagerly`, accepted where it asks for nothing; arguments of `Session.run`.

        Raises:
          ValueError: something is unknown, does not fit the outputs, or there is no loss.
        """
        if kwargs.pop("run_eagerly", None):
            raise ValueError("A model is part of a graph: run_eagerly=True is not supported.")
        kwargs.pop("experimental_run_tf_function", None)
        if distribute is not None:
            raise ValueError(
                f"compile: distribute is not supported; use a strategy's scope. Received: {distribute}"
            )
        self._function_kwargs = kwargs
        several = isinstance(optimizer, list | tuple)  # for models that share them out, as WideDeepModel does
        self.optimizer = [optimizers.get(o) for o in optimizer] if several else optimizers.get(optimizer)
        self.loss = loss or {}
        self.loss_weights = loss_weights
        self.sample_weight_mode = sample_weight_mode
        self._compile_arguments = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics)
        self._is_compiled = True
        if self.built and self.outputs:
            self._compile(target_tensors)

    def _compile(self, target_tensors: Any = None) -> None:
        loss, metrics, loss_weights, mode, weighted_metrics = self._compile_arguments
        names = self.output_names
        found = compiling.losses_for(loss, names)
        self.loss_functions = found
        endpoints = [
            Endpoint(output, name, one, weight)
            for output, name, one, weight in zip(
                self.outputs, names, found, compiling.weights_for(loss_weights, names), strict=True
            )
        ]
        for endpoint, one in zip(endpoints, compiling.modes_for(mode, names), strict=True):
            endpoint.mode = one
        targets = _by_name(target_tensors, names)
        for endpoint, target in zip(endpoints, targets, strict=True):
            endpoint.make_target(target)
        object.__setattr__(self, "_endpoints", endpoints)
        object.__setattr__(self, "_functions", {})
        self._make_metrics(metrics, weighted_metrics)
        masks = [mask_of(t) for t in self.outputs]
        self._call_metrics("metrics", masks)
        self._weights_in_use: tuple[bool, ...] = tuple(False for _ in endpoints)
        self._compile_losses()
        self._collected_trainable_weights = self.trainable_weights

    def _make_metrics(self, metrics: Any, weighted_metrics: Any) -> None:
        object.__setattr__(self, "_compile_metrics", [])
        plain = compiling.metrics_for(metrics, self._endpoints)
        weighted = compiling.metrics_for(weighted_metrics, self._endpoints)
        taken = list(self.metrics_names)
        for endpoint, one, other in zip(self._endpoints, plain, weighted, strict=True):
            if endpoint.loss is None and endpoint.target is None:
                continue
            endpoint.metrics = self._renamed(compiling.metric_objects(one, endpoint, False), endpoint, taken)
            endpoint.weighted_metrics = self._renamed(
                compiling.metric_objects(other, endpoint, True), endpoint, taken
            )
            self._compile_metrics.extend(endpoint.metrics.values())
            self._compile_metrics.extend(endpoint.weighted_metrics.values())
        if len(self._endpoints) > 1:
            for endpoint in self._endpoints:
                if endpoint.loss is not None:
                    endpoint.loss_metric = compiling.loss_metric(endpoint.loss_name)

    def _renamed(self, metrics: dict[str, Any], endpoint: Endpoint, taken: list[str]) -> dict[str, Any]:
        found = {}
        for name, metric in metrics.items():
            base = f"{endpoint.name}_{name}" if len(self._endpoints) > 1 else name
            unique, count = base, 1
            while unique in taken:
                unique, count = f"{base}_{count}", count + 1
            taken.append(unique)
            metric._name = unique
            found[unique] = metric
        return found

    def _call_metrics(self, which: str, masks: list[Any]) -> None:
        with name_scope("metrics"):
            for endpoint, mask in zip(self._endpoints, masks, strict=True):
                if endpoint.target is None:
                    continue
                weights = endpoint.sample_weight if which == "weighted_metrics" else None
                for name, metric in getattr(endpoint, which).items():
                    with name_scope(name):
                        compiling.called(metric, endpoint.target, endpoint.output, weights, mask)

    def _compile_losses(self) -> None:
        """Makes the total loss and what depends on the weights of samples."""
        for endpoint, used in zip(self._endpoints, self._weights_in_use, strict=True):
            endpoint.make_sample_weight(used)
        masks = [mask_of(t) for t in self.outputs]
        self._call_metrics("weighted_metrics", masks)

        def extra() -> list[Any]:
            return self._extra_losses()

        self.total_loss = compiling.total_loss(self._endpoints, masks, extra, lambda: bool(self.losses))
        object.__setattr__(self, "_functions", {})

    def _extra_losses(self) -> list[Any]:
        found = self.losses
        free = [x for x in found if getattr(x, "_unconditional_loss", True)]
        return [*free, *[x for x in found if not getattr(x, "_unconditional_loss", True)]]

    def _use_weights(self, used: tuple[bool, ...]) -> None:
        """Takes over which outputs' samples have weights; the losses are made anew where that changes."""
        if used != self._weights_in_use:
            self._weights_in_use = used
            self._compile_losses()

    @property
    def run_eagerly(self) -> bool:
        """False: models are part of a graph."""
        return False

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        if value:
            raise ValueError("A model is part of a graph: run_eagerly=True is not supported.")

    @property
    def sample_weights(self) -> list[Any]:
        """The placeholders of the samples' weights, None where there are none."""
        return [e.sample_weight for e in self._endpoints]

    @property
    def targets(self) -> list[Any]:
        """The placeholders of what is true."""
        return [e.target for e in self._endpoints if e.target is not None]

    @property
    def metrics(self) -> list[Any]:
        """The metrics: those given to `compile`, then those of layers."""
        found = list(self._compile_metrics) if self._is_compiled else []
        found.extend(self._metrics)
        for inner in self._layers:
            found.extend(inner.metrics)
        return tracking.unique(found)

    @property
    def metrics_names(self) -> list[str]:
        """The names of the results: "loss", the outputs' losses where there are several, the metrics."""
        if not self._is_compiled:
            names = ["loss"]
        else:
            names = ["loss"]
            if len(self._endpoints) > 1:
                names.extend(e.loss_name for e in self._endpoints if e.loss is not None)
        return names + [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Sets all metrics to their beginning."""
        metrics = self._all_metrics()
        plain = [m for m in metrics if type(m).reset_states is Metric.reset_states]
        session.batch_set_value([(v, 0) for m in plain for v in m.variables])
        for metric in metrics:
            if type(metric).reset_states is not Metric.reset_states:
                metric.reset_states()

    def _all_metrics(self) -> list[Any]:
        losses = [e.loss_metric for e in self._endpoints if e.loss_metric is not None]
        return [*losses, *self.metrics]

    # --- metrics and losses that were added -----------------------------------------------------------------

    def add_metric(self, value: Any, aggregation: str | None = None, name: str | None = None) -> None:
        """Watches a tensor computed from the model's inputs; see `Layer.add_metric`."""
        if self._is_compiled and self._is_graph_network and self._endpoints:
            raise ValueError("`add_metric` must be called before the model is compiled.")
        super().add_metric(value, aggregation, name)

    # --- functions ------------------------------------------------------------------------------------------

    def _feeds_phase(self) -> bool:
        return not isinstance(settings.learning_phase(), int)

    def _feed_inputs(self) -> list[Any]:
        return [
            tensor
            for tensor, maker in zip(self.inputs, self._input_makers(), strict=True)
            if getattr(maker, "is_placeholder", True)
        ]

    def _input_makers(self) -> list[Any]:
        return self._input_layers if self._is_graph_network else [None] * len(self.inputs)

    def _feed_input_names(self) -> list[str]:
        return [
            name
            for name, maker in zip(self.input_names, self._input_makers(), strict=True)
            if getattr(maker, "is_placeholder", True)
        ]

    def _fed_endpoints(self) -> list[Endpoint]:
        return [e for e in self._endpoints if e.target is not None and e.fed]

    def _function_inputs(self) -> list[Any]:
        weights = [e.sample_weight for e in self._endpoints if e.sample_weight is not None]
        found = [*self._feed_inputs(), *[e.target for e in self._fed_endpoints()], *weights]
        phase = settings.learning_phase()
        return [*found, phase] if not isinstance(phase, int) else found

    def _result_tensors(self) -> list[Any]:
        found = []
        for metric in self._all_metrics():
            result = self._results_of(metric)
            if result is not None:
                found.append(result)
        return found

    def _results_of(self, metric: Any) -> Any:
        if metric.name in self._metrics_tensors and metric in self._metrics:
            return self._metrics_tensors[metric.name]
        return getattr(metric, "_call_result", None)

    def _function(self, kind: str) -> Any:
        """The function that runs a batch: "train", "test" or "predict"."""
        found = self._functions.get(kind)
        if found is None:
            found = self._functions[kind] = getattr(self, f"_make_{kind}_function")()
            self._restore_deferred()
        return found

    def _make_train_function(self) -> Any:
        self._assert_compiled()
        inputs = self._function_inputs()
        with name_scope("training"):
            updates = self._training_updates()
            updates += self.get_updates_for(None)
            updates += self.get_updates_for(self.inputs)
            results = self._result_tensors()
        with name_scope("training"):
            return session.function(
                inputs, [self.total_loss, *results], updates=updates, **self._function_kwargs
            )

    def _training_updates(self) -> list[Any]:
        return list(self.optimizer.get_updates(self.total_loss, self._collected_trainable_weights))

    def _make_test_function(self) -> Any:
        self._assert_compiled()
        inputs = self._function_inputs()
        with name_scope("evaluation"):
            return session.function(
                inputs,
                [self.total_loss, *self._result_tensors()],
                updates=self.state_updates,
                **self._function_kwargs,
            )

    def _make_predict_function(self) -> Any:
        phase = settings.learning_phase()
        inputs = [*self._feed_inputs(), *([] if isinstance(phase, int) else [phase])]
        with name_scope("predict"):
            return session.function(
                inputs, self.outputs, updates=self.state_updates, **getattr(self, "_function_kwargs", {})
            )

    def _assert_compiled(self) -> None:
        if not self._is_compiled:
            raise RuntimeError(
                "You must compile your model before training/testing. Use `model.compile(optimizer, loss)`."
            )

    @property
    def train_function(self) -> Any:
        """The function that trains on a batch."""
        return self._function("train")

    @property
    def test_function(self) -> Any:
        """The function that evaluates a batch."""
        return self._function("test")

    @property
    def predict_function(self) -> Any:
        """The function that predicts for a batch."""
        return self._function("predict")

    # --- inputs of models without ---------------------------------------------------------------------------

    def _set_inputs(self, x: Any) -> None:
        """Makes the placeholders of a model that is defined by `call`, as the first data asks for."""
        if self.inputs:
            return
        flat = nest.flatten(x)
        names = [f"input_{i + 1}" for i in range(len(flat))]
        if isinstance(x, dict):
            names = sorted(x)
        made = [_placeholder_like(v, n) for v, n in zip(flat, names, strict=True)]
        self._begin_with(nest.pack_sequence_as(x, made) if nest.is_nested(x) else made[0], names)

    def _begin_with(self, given: Any, names: list[str]) -> None:
        """Calls a model that is defined by `call` with what will be its inputs."""
        made = nest.flatten(given)
        if isinstance(given, tuple):
            given = list(given)
        arguments: dict[str, Any] = {}
        if self._expects_training:
            arguments["training"] = settings.learning_phase()
        outputs = self(given, **arguments)
        flat_out = nest.flatten(outputs)
        object.__setattr__(self, "inputs", made)
        object.__setattr__(self, "outputs", flat_out)
        self.input_names = names
        self.output_names = [f"output_{i + 1}" for i in range(len(flat_out))]
        self.built = True
        self._remember_input_shape(made)
        if self._is_compiled and not self._endpoints:
            self._compile()

    def _remember_input_shape(self, made: list[Any]) -> None:
        """Told the placeholders of the first data."""

    # --- data -----------------------------------------------------------------------------------------------

    def _standardize(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        with_targets: bool = True,
        batch_size: int | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Inputs, targets and weights in the model's order."""
        if not self.inputs:
            self._set_inputs(x)
        inputs = self._feed_inputs()
        shapes = [int_shape(t) for t in inputs]
        check = not self._is_graph_network
        given_x = data.standardize(
            x, self._feed_input_names(), None if check else shapes, check_batch=False, what="input"
        )
        if not with_targets:
            data.check_lengths(given_x, [], [])
            self._check_stateful(given_x, batch_size)
            return given_x, [], []
        self._assert_compiled()
        if not self._endpoints:
            self._compile()
        endpoints = self._fed_endpoints()
        names = [e.name for e in endpoints]
        given_y = data.standardize(y, names, [_target_shape(e) for e in endpoints], False, "target")
        weights, used = self._weights(given_y, sample_weight, class_weight)
        data.check_lengths(given_x, given_y, weights)
        data.check_targets(given_y, [e.loss for e in endpoints], [int_shape(e.output) for e in endpoints])
        self._use_weights(used)
        self._check_stateful(given_x, batch_size)
        return given_x, given_y, [w for w in weights if w is not None]

    def _weights(
        self, targets: list[Any], sample_weight: Any, class_weight: Any
    ) -> tuple[list[Any], tuple[bool, ...]]:
        names = [e.name for e in self._endpoints]
        samples = data.standardize_weights_by_output(sample_weight, names, "sample_weight")
        classes = _class_weights(class_weight, names)
        known = dict(zip([e.name for e in self._fed_endpoints()], targets, strict=True))
        found = [
            data.weights_of(known[e.name], s, c, e.mode) if known.get(e.name) is not None else None
            for e, s, c in zip(self._endpoints, samples, classes, strict=True)
        ]
        return found, tuple(w is not None for w in found)

    def _check_stateful(self, values: list[Any], batch_size: int | None) -> None:
        if not self.stateful or not values or batch_size is None or data.is_symbolic(values[0]):
            return
        count = values[0].shape[0]
        if count % batch_size:
            raise ValueError(
                "In a stateful network, you should only pass inputs with a number of samples that can be "
                f"divided by the batch size. Found: {count} samples"
            )

    # --- files ----------------------------------------------------------------------------------------------

    _deferred_weights: str | None = None  # a checkpoint that has values for variables which are not there yet

    def _trackable_children(self) -> list[tuple[str, Any]]:
        found = super()._trackable_children()
        if isinstance(self.optimizer, optimizers.Optimizer):
            found.append(("optimizer", self.optimizer))
        return found

    def _has_all_weights(self) -> bool:
        """Whether no more variables are to come: those of the layers and of the optimizer."""
        return self.built and (not self._is_compiled or bool(getattr(self.optimizer, "_iterations", True)))

    def _restore_deferred(self) -> None:
        """Gives variables that have come meanwhile their values of the checkpoint."""
        path = self._deferred_weights
        if path is not None:
            objects.read(self, path)
            self._deferred_weights = None if self._has_all_weights() else path

    def save_weights(self, filepath: Any, overwrite: bool = True, save_format: str | None = None) -> None:
        """Writes the weights.

        Args:
          filepath: the file's name, or that of a checkpoint.
          overwrite: whether a file that is there is replaced; otherwise the user is asked.
          save_format: "h5" or "tf"; default: "h5" for names that end in .h5, .hdf5 or .keras.

        Raises:
          ImportError: h5py is needed and not installed.
          ValueError: the format is unknown, or there are no weights yet.
        """
        files.save_weights(self, filepath, overwrite, save_format)

    def load_weights(self, filepath: Any, by_name: bool = False) -> LoadStatus | None:
        """Sets the weights from a file that `save_weights` or `save` wrote.

        Args:
          filepath: the name.
          by_name: set those layers only whose names the file has; for HDF5 files.

        Returns:
          For a checkpoint, what became of it.

        Raises:
          ImportError: h5py is needed and not installed.
          NotFoundError: there is no such checkpoint.
          ValueError: the weights are not those of this model.
        """
        return files.load_weights(self, filepath, by_name)

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
        signatures: Any = None,
    ) -> None:
        """Writes the model; see `tf.keras.models.save_model`."""
        files.save_model(self, filepath, overwrite, include_optimizer, save_format, signatures)

    # --- whole data -----------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **kwargs: Any,
    ) -> History:
        """Trains the model.

        Args:
          x: arrays, tensors, a dataset, an iterator, a generator or a `Sequence`.
          y: what is true; None where `x` gives it.
          batch_size: samples of a step; default 32.
          epochs: the number of the last pass.
          verbose: 0, 1 for a bar, 2 for a line for each epoch.
          callbacks: told of the progress.
          validation_split: the share of the samples, at the end, that is kept for validation.
          validation_data: samples for validation: `(x, y)`, `(x, y, weights)`, or as `x`.
          shuffle: whether samples are shuffled before each pass; "batch" for whole batches.
          class_weight: factors by class.
          sample_weight: factors of the samples.
          initial_epoch: the number of the first pass.
          steps_per_epoch: steps of a pass, where `x` is not arrays.
          validation_steps: likewise.
          validation_freq: after how many passes, or after which, there is validation.
          max_queue_size, workers, use_multiprocessing: how generators are read ahead.
          **kwargs: `nb_epoch`, the old name of `epochs`.

        Returns:
          The `History` of losses and metrics.

        Raises:
          RuntimeError: the model was not compiled.
          ValueError: the data does not fit the model.
        """
        if "nb_epoch" in kwargs:
            epochs = kwargs.pop("nb_epoch")
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self._assert_compiled()
        request = fitting.Request(
            x, y, sample_weight, class_weight, batch_size, steps_per_epoch, verbose, callbacks, shuffle,
            max_queue_size, workers,
        )  # fmt: skip
        validation = fitting.Validation(validation_data, validation_split, validation_steps, validation_freq)
        return fitting.fit(self, request, epochs, initial_epoch, validation)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The loss and the metrics over data; arguments as for `fit`.

        Returns:
          The loss, or a list of it and the metrics, in the order of `metrics_names`.
        """
        self._assert_compiled()
        request = fitting.Request(
            x, y, sample_weight, None, batch_size, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.evaluate(self, request)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for data; arguments as for `fit`.

        Returns:
          An array, or a list of one for each output.
        """
        request = fitting.Request(
            x, None, None, None, batch_size, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.predict(self, request)

    # --- one batch ------------------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
    ) -> Any:
        """Trains on one batch.

        Args:
          x, y: the batch.
          sample_weight, class_weight: factors of the samples and of the classes.
          reset_metrics: begin the metrics anew afterwards.

        Returns:
          The loss, or a list of it and the metrics.
        """
        return self._on_batch("train", x, y, sample_weight, class_weight, reset_metrics)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, reset_metrics: bool = True
    ) -> Any:
        """The loss and the metrics of one batch; arguments as for `train_on_batch`."""
        return self._on_batch("test", x, y, sample_weight, None, reset_metrics)

    def _on_batch(self, kind: str, x: Any, y: Any, sample_weight: Any, class_weight: Any, reset: bool) -> Any:
        self._assert_compiled()
        inputs, targets, weights = self._standardize(x, y, sample_weight, class_weight)
        phase = [int(kind == "train")] if self._feeds_phase() else []
        found = self._function(kind)([*inputs, *targets, *weights, *phase])
        if reset:
            self.reset_metrics()
        return found[0] if len(found) == 1 else found

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        inputs, _, _ = self._standardize(x, with_targets=False)
        phase = [0] if self._feeds_phase() else []
        found = self._function("predict")([*inputs, *phase])
        return found[0] if len(found) == 1 else found

    # --- generators -----------------------------------------------------------------------------------------

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """Trains on batches of a generator or a `Sequence`; arguments as for `fit`."""
        self._assert_compiled()
        request = fitting.Request(
            generator, None, None, class_weight, None, steps_per_epoch, verbose, callbacks, shuffle,
            max_queue_size, workers,
        )  # fmt: skip
        validation = fitting.Validation(validation_data, 0.0, validation_steps, validation_freq)
        return fitting.fit_generator(self, request, epochs, initial_epoch, validation)

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The loss and the metrics over batches of a generator or a `Sequence`; as `evaluate`."""
        self._assert_compiled()
        request = fitting.Request(
            generator, None, None, None, None, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.run_generator(self, request, "test")

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The outputs for batches of a generator or a `Sequence`; as `predict`."""
        request = fitting.Request(
            generator, None, None, None, None, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.run_generator(self, request, "predict")


def _placeholder_like(value: Any, name: str) -> Any:
    if data.is_symbolic(value):
        dims, dtype = int_shape(value), arrays.dtype(value)
    else:
        dims, dtype = (None, *value.shape[1:]), str(value.dtype)
    dims = (None, *dims[1:]) if dims else dims
    if len(dims) == 1:
        dims = (None, 1)
    if dtype.startswith("float"):
        dtype = settings.floatx()
    return arrays.placeholder(shape=dims, dtype=dtype, name=name)


def _by_name(tensors: Any, names: list[str]) -> list[Any]:
    """One target tensor, or None, for each output.

    Raises:
      ValueError: there is another number of them, or an output is unknown.
      TypeError: they are something else.
    """
    if tensors is None or (isinstance(tensors, list) and not tensors):
        return [None] * len(names)
    if isinstance(tensors, dict):
        for name in tensors:
            if name not in names:
                raise ValueError(
                    f'Unknown entry in `target_tensors` dictionary: "{name}". Only expected: {names}'
                )
        return [tensors.get(name) for name in names]
    if isinstance(tensors, list | tuple):
        if len(tensors) != len(names):
            raise ValueError(
                "When passing a list as `target_tensors`, it should have one entry per model output. The "
                f"model has {len(names)} outputs, but you passed target_tensors={tensors}"
            )
        return list(tensors)
    if data.is_symbolic(tensors):
        return [tensors]
    raise TypeError(
        f"Expected `target_tensors` to be a list or tuple or dict or a single tensor, but got: {tensors}"
    )


def _target_shape(endpoint: Endpoint) -> Any:
    """The shape that targets of an output have; None where any will do."""
    shape = int_shape(endpoint.output)
    loss = endpoint.loss
    fn = getattr(loss, "fn", None)
    if fn is compiling.functions.sparse_categorical_crossentropy:
        return None if shape is None else (*shape[:-1], 1)
    if (
        isinstance(loss, compiling.classes.LossFunctionWrapper)
        and getattr(compiling.functions, getattr(fn, "__name__", ""), None) is fn
    ):
        return shape
    return None


def _class_weights(given: Any, names: list[str]) -> list[Any]:
    if given is None:
        return [None] * len(names)
    if len(names) == 1 and isinstance(given, dict) and names[0] not in given:
        return [given]
    return data.standardize_weights_by_output(given, names, "class_weight")
