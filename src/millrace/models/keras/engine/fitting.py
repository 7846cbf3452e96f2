"""`fit`, `evaluate` and `predict`: which loop runs over which data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millrace.lib.layers.node import int_shape
from millrace.models.keras.callbacks.base import CallbackList
from millrace.models.keras.callbacks.progress import History
from millrace.models.keras.engine import data, generators, loops
from millrace.models.keras.engine.datasets import Feed, is_dataset, is_iterator, steps_of
from millrace.runtime.foresight import repeated


class Request(NamedTuple):
    """The data of a loop and how it is taken."""

    x: Any
    y: Any
    sample_weight: Any
    class_weight: Any
    batch_size: int | None
    steps: int | None
    verbose: int
    callbacks: Any
    shuffle: Any
    max_queue_size: int
    workers: int


class Validation(NamedTuple):
    """The data of validation, or which share of the samples it is, and when it takes place."""

    data: Any
    split: float
    steps: int | None
    frequency: Any


def _by_generator(x: Any) -> bool:
    return generators.is_generator(x) and not is_dataset(x) and not is_iterator(x)


def _by_dataset(x: Any) -> bool:
    return is_dataset(x) or is_iterator(x)


def _check_no_targets(y: Any, weights: Any, what: str) -> None:
    if y is not None:
        raise ValueError(f"You passed a {what}; do not specify `y`, its batches hold the targets.")
    if weights is not None:
        raise ValueError(
            f"`sample_weight` is not supported with a {what}: its batches hold weights as third element."
        )


# --- data of one pass ---------------------------------------------------------------------------------------


class Pass:
    """The data of a loop, ready: arrays in batches, or tensors in steps; with a number of steps, each of them
    takes whole arrays.

    Args:
      model: the model.
      request: the data.
      with_targets: whether there are targets.
      split: the share of samples that is taken away for validation.
    """

    def __init__(self, model: Any, request: Request, with_targets: bool = True, split: float = 0.0) -> None:
        self.steps = request.steps
        self.restarts = request.steps is None  # whether each pass over a dataset begins anew
        self.begun, self.size_counts = False, True
        self.feed: Feed | None = None
        self.validation: Any = None
        x, y, weights = request.x, request.y, request.sample_weight
        if _by_dataset(x):
            _check_no_targets(y, weights, "dataset or iterator")
            if request.batch_size is not None:
                raise ValueError(
                    "The `batch_size` argument must not be specified for a dataset or an iterator, which has "
                    f"its batches. Received: batch_size={request.batch_size}"
                )
            if split:
                raise ValueError(
                    "`validation_split` argument is not supported when input `x` is a dataset or a dataset "
                    "iterator."
                )
            if self.steps is None and is_dataset(x):
                self.steps = steps_of(x)
            self.feed = Feed(x)
            x, y, weights = self.feed.x, self.feed.y, self.feed.weights
        size = request.batch_size or _batch_size(model) or 32
        whole = None if self.steps is not None else size  # what the number of samples is a multiple of
        parts = model._standardize(x, y, weights, request.class_weight, with_targets, whole)
        self.counts = [len(p) for p in parts]
        self.values = [v for part in parts for v in part]
        symbolic = any(data.is_symbolic(v) for v in self.values)
        if request.batch_size is not None and request.batch_size < 1:
            raise ZeroDivisionError(f"`batch_size` must be positive. Received: {request.batch_size}")
        if x is None and self.steps is None and model._feed_inputs():
            raise ValueError(
                "When using data tensors as input to a model, you should specify the `steps_per_epoch` "
                f"argument; {', '.join(model._feed_input_names())} needs data. Received: x=None"
            )
        self.by_steps = symbolic or self.steps is not None
        if symbolic and self.steps is None and self.feed is None:
            raise ValueError(
                "If your data is in the form of symbolic tensors, you should specify the "
                "`steps_per_epoch` argument (instead of the `batch_size` argument, because symbolic tensors "
                "are expected to produce batches of input data)."
            )
        self.size = size
        self.samples = None
        if not symbolic and self.values:
            self.samples = loops.len_of(next(v for v in self.values if v is not None))
            if 0 < split < 1:  # other shares are passed over, as TensorFlow does
                self._split(split)

    @property
    def counted(self) -> int | None:
        """How many steps a pass has where they are given, else how many samples, where that is known."""
        return self.samples if self.steps is None else self.steps

    def make_room(self, model: Any) -> None:
        """Leaves weights that validation has and training has not at their default, 1."""
        wanted = sum(e.sample_weight is not None for e in model._endpoints)
        self.values += [None] * (wanted - self.counts[2])

    def _split(self, share: float) -> None:
        assert self.samples is not None
        at = int(self.samples * (1.0 - share))
        if at == 0 or at == self.samples:
            raise ValueError(
                f"Training data contains {self.samples} samples, which is not sufficient to split it into a "
                f"validation and training set as specified by `validation_split={share}`."
            )
        self.validation = data.sliced(self.values, at, self.samples)
        self.values = data.sliced(self.values, 0, at)
        self.samples = at

    def run(self, loop: loops.ArrayLoop, callbacks: CallbackList, shuffle: Any, epoch: int = 0) -> list[Any]:
        """One pass."""
        if not self.by_steps:
            return loop.run_batches(self.values, self.size, shuffle, callbacks, epoch, self.size_counts)
        if self.feed is not None and (self.restarts or not self.begun):
            self.feed.restart()
        self.begun = True
        found, done = loop.run_steps(self.values, self.steps, callbacks)
        if self.steps is None:
            self.steps = done
            if not loop.inside:
                callbacks.params["steps"] = done
        return found


def _batch_size(model: Any) -> int | None:
    """The batch's length that the first input fixes."""
    if not model.inputs:
        return None
    dims = int_shape(model.inputs[0])
    return dims[0] if dims else None


# --- training -----------------------------------------------------------------------------------------------


def fit(model: Any, request: Request, epochs: int, first: int, validation: Validation) -> History:
    """Trains a model; see `Model.fit`."""
    if _by_generator(request.x):
        _check_no_targets(request.y, request.sample_weight, "generator")
        if validation.split:
            raise ValueError("`validation_split` argument is not supported when input `x` is a generator.")
        return fit_generator(model, request, epochs, first, validation)
    whole = Pass(model, request, split=validation.split if validation.data is None else 0.0)
    watcher = _watcher(model, whole, request, validation)
    whole.make_room(model)
    function = model._function("train")
    if watcher is not None:
        watcher.prepare(epochs - first)
    names = model.metrics_names
    loop = loops.ArrayLoop(model, function, "train", names, epochs - first)
    model.history = History()
    callbacks = loops.callbacks_of(
        request.callbacks, model, "train",
        batch_size=None if whole.by_steps else whole.size, epochs=epochs,
        steps=whole.steps, samples=whole.counted, verbose=request.verbose,
        validates=watcher is not None, by_steps=whole.by_steps,
    )  # fmt: skip
    if watcher is not None:
        watcher.tell(callbacks)
    _announce(request.verbose, whole, watcher)
    # What is true may come from tensors, which keep their order.
    shuffle = request.shuffle if all(e.fed for e in model._endpoints if e.target is not None) else False
    callbacks.begin("train")
    for epoch in range(first, epochs):
        model.reset_metrics()
        callbacks.epoch("begin", epoch, {})
        results = whole.run(loop, callbacks, shuffle, epoch)
        logs = loops.named({}, names, results)
        if (
            watcher is not None
            and loops.validates_now(validation.frequency, epoch)
            and not model.stop_training
        ):
            loops.named(logs, names, watcher.run(callbacks), "val_")
        callbacks.epoch("end", epoch, logs)
        if model.stop_training:
            break
    callbacks.end("train")
    return model.history


def _announce(verbose: int, whole: Pass, watcher: Any) -> None:
    if not verbose:
        return
    import sys

    unit = "samples" if whole.feed is None else "steps"
    text = f"Train on {whole.counted} {unit}"
    if watcher is not None and watcher.samples is not None:
        text += f", validate on {watcher.samples} {unit}"
    sys.stdout.write(text + "\n")


class _Watcher:
    """Validation after a pass of training; `fit` shuffles these samples, too, as in 1.15."""

    def __init__(self, model: Any, whole: Pass, shuffles: bool) -> None:
        self._model, self._whole, self._shuffles = model, whole, shuffles
        self.samples = whole.steps if whole.samples is None else whole.samples
        self._loop: Any = None

    def prepare(self, passes: int) -> None:
        """Makes the function, which will be used for so many passes."""
        self._loop = loops.ArrayLoop(
            self._model, self._model._function("test"), "test", self._model.metrics_names, passes
        )
        self._loop.inside = True

    def tell(self, callbacks: CallbackList) -> None:
        """Gives callbacks the data."""
        for callback in callbacks:
            callback.validation_data = self._whole.values

    def follow(self, size: int) -> None:
        """Takes arrays in batches of this size, that of training's last batch, each of which counts once."""
        self._whole.size, self._whole.size_counts = size, False

    def run(self, callbacks: CallbackList) -> list[Any]:
        """The loss and the metrics."""
        self._model.reset_metrics()
        callbacks.begin("test")
        found = self._whole.run(self._loop, callbacks, self._shuffles)
        callbacks.end("test")
        return found


class _GeneratorWatcher:
    """Validation over a generator after a pass of training."""

    def __init__(self, model: Any, request: Request) -> None:
        self._model, self._request = model, request
        self.samples = None

    def prepare(self, passes: int) -> None:
        """Makes the function, however often it will be used."""
        self._model._function("test")

    def tell(self, callbacks: CallbackList) -> None:
        """Callbacks get no data."""

    def follow(self, size: int) -> None:
        """Batches are as the generator gives them."""

    def run(self, callbacks: CallbackList) -> list[Any]:
        """The loss and the metrics."""
        found = run_generator(self._model, self._request._replace(callbacks=callbacks), "test")
        return found if isinstance(found, list) else [found]


def _watcher(model: Any, whole: Any, request: Request, validation: Validation) -> Any:
    if whole is not None and whole.validation is not None:
        kept = Pass.__new__(Pass)
        kept.steps, kept.feed, kept.by_steps, kept.size_counts = None, None, False, True
        kept.values, kept.size, kept.validation = whole.validation, whole.size, None
        kept.samples = loops.len_of(next(v for v in kept.values if v is not None))
        return _Watcher(model, kept, True)
    given = validation.data
    if given is None:
        return None
    size = request.batch_size
    base = Request(None, None, None, None, size, validation.steps, 0, None, False, request.max_queue_size,
                   request.workers)  # fmt: skip
    if _by_generator(given):
        return _GeneratorWatcher(model, base._replace(x=given))
    if _by_dataset(given):
        kept = Pass(model, base._replace(x=given, batch_size=None))
        kept.restarts = True
        return _Watcher(model, kept, False)
    if not isinstance(given, list | tuple) or len(given) not in (2, 3):
        raise ValueError(
            "When passing a `validation_data` argument, it must contain either 2 items (x_val, y_val), or 3 "
            "items (x_val, y_val, val_sample_weights), or alternatively it could be a dataset or a dataset "
            f"or a dataset iterator. However we received `validation_data={str(given)[:200]}`"
        )
    x, y, weights = (*given, None)[:3]
    used = model._weights_in_use
    if weights is None and any(used) and whole is not None:
        weights = _ones_like_targets(model, y, used)
    return _Watcher(model, Pass(model, base._replace(x=x, y=y, sample_weight=weights)), whole is not None)


def _ones_like_targets(model: Any, y: Any, used: tuple[bool, ...]) -> Any:
    """Weights of 1 for validation where training has weights."""
    names = [e.name for e in model._endpoints]
    targets = data.standardize(y, names, None, False, "target")
    ones = []
    for endpoint, target, has in zip(model._endpoints, targets, used, strict=True):
        shape = target.shape[:2] if endpoint.mode == "temporal" else target.shape[:1]
        ones.append(np.ones(shape, np.float32) if has else None)
    return ones[0] if len(ones) == 1 else ones


# --- evaluation and prediction ------------------------------------------------------------------------------


def evaluate(model: Any, request: Request) -> Any:
    """The loss and the metrics of a model; see `Model.evaluate`."""
    if _by_generator(request.x):
        _check_no_targets(request.y, request.sample_weight, "generator")
        return run_generator(model, request, "test")
    whole = Pass(model, request)
    loop = loops.ArrayLoop(model, model._function("test"), "test", model.metrics_names)
    callbacks = loops.callbacks_of(
        request.callbacks, model, "test", batch_size=None if whole.by_steps else whole.size,
        steps=whole.steps, samples=whole.counted, verbose=request.verbose, by_steps=whole.by_steps,
    )  # fmt: skip
    model.reset_metrics()
    callbacks.begin("test")
    found = whole.run(loop, callbacks, False)
    callbacks.end("test")
    return found[0] if len(found) == 1 else found


def predict(model: Any, request: Request) -> Any:
    """The outputs of a model; see `Model.predict`."""
    if _by_generator(request.x):
        return run_generator(model, request, "predict")
    whole = Pass(model, request, with_targets=False)
    loop = loops.ArrayLoop(model, model._function("predict"), "predict", [])
    callbacks = loops.callbacks_of(
        request.callbacks, model, "predict", batch_size=None if whole.by_steps else whole.size,
        steps=whole.steps, samples=whole.counted, verbose=request.verbose, by_steps=whole.by_steps,
    )  # fmt: skip
    model.reset_metrics()
    callbacks.begin("predict")
    found = whole.run(loop, callbacks, False)
    callbacks.end("predict")
    return found[0] if len(found) == 1 else found


# --- generators ---------------------------------------------------------------------------------------------


def _unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of what a generator gave: all but a tuple is inputs.

    Raises:
      ValueError: the tuple is too short or too long.
    """
    if not isinstance(batch, tuple):
        return batch, None, None
    if 1 <= len(batch) <= 3:
        x, y, weights = (*batch, None, None)[:3]
        return x, y, weights
    raise ValueError(
        "Output of generator should be a tuple of 1 or 2 or 3 elements: (input,) or (input, target) or "
        f"(input, target, sample_weights). Received {str(batch)[:200]}"
    )


def _batch_length(x: Any) -> int:
    first = x
    while isinstance(first, list | tuple | dict):
        first = next(iter(first.values())) if isinstance(first, dict) else first[0]
    return first.shape[0] if hasattr(first, "shape") and first.shape else 1


class _GeneratorLoop:
    """One loop over batches of a generator."""

    def __init__(self, model: Any, mode: str, class_weight: Any = None, passes: int = 1) -> None:
        self._model, self._mode, self._class_weight, self._passes = model, mode, class_weight, passes
        self._totals: Any = None
        self.size = 1  # of the last batch

    def run(self, source: generators.Source, callbacks: CallbackList) -> list[Any]:
        """One pass."""
        predicting = self._mode == "predict"
        totals: Any = loops.Parts(None) if predicting else loops.Totals()
        before, self._totals = self._totals, totals
        index = 0
        foreseen = None if source.steps is None else self._passes * source.steps
        while source.steps is None or index < source.steps:
            try:
                batch = source.next()
            except StopIteration:
                loops.ran_out(self._model, source.steps)
                break
            x, y, weights = _unpacked(batch)
            self.size = _batch_length(x)
            logs: dict[str, Any] = {"batch": index, "size": self.size}
            callbacks.batch(self._mode, "begin", index, logs)
            with repeated(foreseen):
                outputs = self._batch(x, y, weights)
            if predicting:
                totals.add(outputs, 0, 0)
                logs = loops.named(logs, ["outputs"], [outputs])
            else:
                totals.add(outputs, 1)
                logs = loops.named(logs, self._model.metrics_names, outputs)
            callbacks.batch(self._mode, "end", index, logs)
            index += 1
            if self._model.stop_training:
                break
        return (totals if index or before is None else before).finish()

    def _batch(self, x: Any, y: Any, weights: Any) -> list[Any]:
        model = self._model
        if self._mode == "predict":
            found = model.predict_on_batch(x)
        elif self._mode == "train":
            found = model.train_on_batch(
                x, y, sample_weight=weights, class_weight=self._class_weight, reset_metrics=False
            )
        else:
            found = model.test_on_batch(x, y, sample_weight=weights, reset_metrics=False)
        return found if isinstance(found, list) else [found]


def fit_generator(model: Any, request: Request, epochs: int, first: int, validation: Validation) -> History:
    """Trains a model on batches of a generator; see `Model.fit_generator`."""
    source = generators.Source(
        request.x,
        request.steps,
        request.workers,
        request.max_queue_size,
        bool(request.shuffle),
        epochs - first,
    )
    try:
        watcher = _watcher_of(model, request, validation)
        model.history = History()
        callbacks = loops.callbacks_of(
            request.callbacks, model, "train", epochs=epochs, steps=source.steps,
            verbose=request.verbose, validates=watcher is not None, by_steps=True,
            validation_counts="steps" if _by_generator(validation.data) else "samples",
        )  # fmt: skip
        loop = _GeneratorLoop(model, "train", request.class_weight, epochs - first)
        callbacks.begin("train")
        for epoch in range(first, epochs):
            model.reset_metrics()
            callbacks.epoch("begin", epoch, {})
            results = loop.run(source, callbacks)
            names = model.metrics_names
            logs = loops.named({}, names, results)
            now = loops.validates_now(validation.frequency, epoch)
            if watcher is not None and now and not model.stop_training:
                watcher.prepare(epochs - epoch)
                watcher.follow(loop.size)
                loops.named(logs, names, watcher.run(callbacks), "val_")
            callbacks.epoch("end", epoch, logs)
            if model.stop_training:
                break
            source.restart()
        callbacks.end("train")
        return model.history
    finally:
        source.close()


def _watcher_of(model: Any, request: Request, validation: Validation) -> Any:
    if validation.data is None:
        return None
    if not model.inputs and not _by_generator(validation.data):
        model._standardize(validation.data[0], with_targets=False)
    return _watcher(model, None, request._replace(batch_size=None), validation)


def run_generator(model: Any, request: Request, mode: str) -> Any:
    """Evaluates or predicts over batches of a generator."""
    inside = isinstance(request.callbacks, CallbackList)
    source = generators.Source(request.x, request.steps, request.workers, request.max_queue_size, False)
    try:
        callbacks = loops.callbacks_of(
            request.callbacks, model, mode, steps=source.steps, verbose=0 if inside else request.verbose,
            by_steps=True,
        )  # fmt: skip
        model.reset_metrics()
        callbacks.begin(mode)
        found = _GeneratorLoop(model, mode).run(source, callbacks)
        callbacks.end(mode)
        return found[0] if len(found) == 1 else found
    finally:
        source.close()
