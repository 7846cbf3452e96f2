"""A compiled network that takes batches: data brought into its order, and the functions that run them."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import nest
from millrace.lib.layers import settings
from millrace.lib.layers.node import int_shape
from millrace.models.keras.backend import arrays, session
from millrace.models.keras.engine import compiling, data
from millrace.models.keras.engine.compiled import Compiled
from millrace.models.keras.engine.compiling import Endpoint
from millrace.models.keras.saving import objects


class Batched(Compiled):
    """A compiled network that trains on a batch, evaluates it, or predicts for it."""

    _deferred_weights: str | None = None  # a checkpoint that has values for variables which are not there yet

    # --- functions ------------------------------------------------------------------------------------------

    def _fed_phase(self, kind: str) -> list[Any]:
        """The placeholder of the learning phase, which only the function that trains is fed."""
        phase = settings.learning_phase() if kind == "train" else 0
        return [] if isinstance(phase, int) else [phase]

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
        return [*self._feed_inputs(), *[e.target for e in self._fed_endpoints()], *weights]

    def _result_tensors(self) -> list[Any]:
        found = [getattr(metric, "_call_result", None) for metric in self._all_metrics()]
        return [result for result in found if result is not None]

    def _function(self, kind: str) -> Any:
        """The function that runs a batch: "train", "test" or "predict"."""
        found = self._functions.get(kind)
        if found is None:
            found = self._functions[kind] = getattr(self, f"_make_{kind}_function")()
            self._restore_deferred()
        return found

    def _make_train_function(self) -> Any:
        self._assert_compiled()
        inputs = [*self._function_inputs(), *self._fed_phase("train")]
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
        with name_scope("predict"):
            return session.function(
                self._feed_inputs(),
                self.outputs,
                updates=self.state_updates,
                **getattr(self, "_function_kwargs", {}),
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
        object.__setattr__(self, "_nested_inputs", given)
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
        taken = [w for w, e in zip(weights, self._endpoints, strict=True) if e.sample_weight is not None]
        return given_x, given_y, taken

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
        used = any(w is not None for w in found)  # then all outputs have a place for weights
        return found, tuple(used for _ in found)

    def _check_stateful(self, values: list[Any], batch_size: int | None) -> None:
        if not self.stateful or not values or batch_size is None or data.is_symbolic(values[0]):
            return
        count = values[0].shape[0]
        if count % batch_size:
            raise ValueError(
                "In a stateful network, you should only pass inputs with a number of samples that can be "
                f"divided by the batch size. Found: {count} samples"
            )

    def _has_all_weights(self) -> bool:
        """Whether no more variables are to come: those of the layers and of the optimizer."""
        return self.built and (not self._is_compiled or bool(getattr(self.optimizer, "_iterations", True)))

    def _restore_deferred(self) -> None:
        """Gives variables that have come meanwhile their values of the checkpoint."""
        path = self._deferred_weights
        if path is not None:
            objects.read(self, path)
            self._deferred_weights = None if self._has_all_weights() else path

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
        phase = [1 for _ in self._fed_phase(kind)]
        found = self._function(kind)([*inputs, *targets, *weights, *phase])
        if reset:
            self.reset_metrics()
        return found[0] if len(found) == 1 else found

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        inputs, _, _ = self._standardize(x, with_targets=False)
        found = self._function("predict")(inputs)
        return found[0] if len(found) == 1 else found


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
    if len(names) == 1 and not (isinstance(given, dict) and names[0] in given):
        return given if isinstance(given, list) and len(given) == 1 else [given]
    return data.standardize_weights_by_output(given, names, "class_weight")
