"""Training, evaluation and prediction over arrays, tensors and iterators."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.models.keras.backend import session
from millrace.models.keras.callbacks.base import CallbackList
from millrace.models.keras.callbacks.progress import BaseLogger, ProgbarLogger, ValidationBar
from millrace.models.keras.engine.data import sliced
from millrace.runtime.foresight import repeated


class Totals:
    """What the batches of an epoch gave: the loss averaged, metrics as they are.

    Args:
      weighted: batches count by their number of samples; else each counts once.
    """

    def __init__(self) -> None:
        self.results: list[Any] = []
        self._weight = 0.0

    def add(self, outputs: list[Any], weight: float) -> None:
        """Takes the results of a batch."""
        if not self.results:
            self.results = [0.0] * len(outputs)
        self.results[0] = self.results[0] + float(outputs[0]) * weight
        self.results[1:] = outputs[1:]
        self._weight += weight

    def finish(self) -> list[Any]:
        """The results of the epoch."""
        if self.results:
            self.results[0] = np.float64(self.results[0] / self._weight)
        return self.results


class Parts:
    """Predictions, batch by batch, put together.

    Args:
      samples: how many there will be; None where nobody knows.
    """

    def __init__(self, samples: int | None) -> None:
        self._samples = samples
        self._parts: list[list[Any]] = []
        self._whole: list[Any] = []

    def add(self, outputs: list[Any], start: int, stop: int) -> None:
        """Takes the predictions of the samples from `start` up to `stop`."""
        if self._samples is None:
            self._parts = self._parts or [[] for _ in outputs]
            for part, output in zip(self._parts, outputs, strict=True):
                part.append(output)
            return
        if not self._whole:
            self._whole = [np.zeros((self._samples, *o.shape[1:]), o.dtype) for o in outputs]
        for whole, output in zip(self._whole, outputs, strict=True):
            if len(output) != stop - start:
                raise ValueError(
                    "A model must give as many predictions as the batch has samples. Received: a batch of "
                    f"{stop - start}, predictions of shape {output.shape}"
                )
            whole[start:stop] = output

    def finish(self) -> list[Any]:
        """The predictions of all samples."""
        return self._whole or [np.concatenate(part, axis=0) for part in self._parts]


def callbacks_of(
    callbacks: Any,
    model: Any,
    mode: str,
    *,
    batch_size: Any = None,
    epochs: int = 1,
    steps: Any = None,
    samples: Any = None,
    verbose: int = 1,
    validates: bool = False,
    by_steps: bool = False,
    validation_counts: str | None = None,
) -> CallbackList:
    """The callbacks of a loop, those that average, keep and show among them.

    Args:
      validation_counts: what validation counts that has a bar of its own, "samples" or "steps".
    """
    if isinstance(callbacks, CallbackList):
        return callbacks
    given = list(callbacks or [])
    names = list(model.metrics_names) if mode != "predict" else []
    stateful = names[1:]
    if mode == "train":
        given = [BaseLogger(stateful_metrics=stateful), *given, model.history]
    if verbose:
        shown = ProgbarLogger("steps" if by_steps else "samples", stateful_metrics=stateful)
        shown.mode = mode
        given.append(shown)
        if validates and validation_counts is not None:
            given.append(ValidationBar(validation_counts))
    metrics = names + ["val_" + n for n in names] if validates else names
    params = {
        "batch_size": batch_size,
        "epochs": epochs,
        "steps": steps,
        "samples": steps if by_steps else samples,
        "verbose": verbose,
        "do_validation": validates,
        "metrics": metrics,
    }
    model.stop_training = False
    made = CallbackList(given, model, params)
    for callback in made if mode != "predict" else ():
        if isinstance(callback, BaseLogger | ProgbarLogger):
            callback.stateful_metrics = set(stateful)
    return made


def named(logs: dict[str, Any], names: list[str], results: Any, prefix: str = "") -> dict[str, Any]:
    """Results entered into logs by name."""
    for name, value in zip(names, results, strict=False):
        logs[prefix + name] = value
    return logs


def validates_now(frequency: Any, epoch: int) -> bool:
    """Whether an epoch, from 0, ends with validation.

    Raises:
      ValueError: the frequency is neither a positive integer nor a list of epochs.
    """
    number = epoch + 1
    if isinstance(frequency, int):
        if frequency < 1:
            raise ValueError("`validation_freq` can not be less than 1.")
        return number % frequency == 0
    if not hasattr(frequency, "__contains__"):
        raise ValueError(
            f"`validation_freq` must be an Integer or a list or a tuple. Received: {frequency!r}"
        )
    return number in frequency


def batches_of(samples: int, size: int) -> list[tuple[int, int]]:
    """The ranges of batches of a size."""
    return [(i * size, min(samples, (i + 1) * size)) for i in range(-(-samples // size))]


def _shuffled(places: Any, shuffle: Any, size: int) -> Any:
    if shuffle == "batch":
        count = len(places) // size
        rest = places[count * size :]
        blocks = places[: count * size].reshape((count, size))
        np.random.shuffle(blocks)
        return np.append(blocks.flatten(), rest)
    if shuffle:
        np.random.shuffle(places)
    return places


class ArrayLoop:
    """One loop over arrays or tensors.

    Args:
      model: the model.
      function: what runs a batch: `backend.Function`.
      mode: "train", "test" or "predict".
      names: of the results.
      passes: how many passes there will be.
    """

    def __init__(self, model: Any, function: Any, mode: str, names: list[str], passes: int = 1) -> None:
        self._passes = passes
        self._model, self._function, self._mode, self._names = model, function, mode, names
        self._phase = [1 for _ in model._fed_phase(mode)]
        self._totals: Any = None
        self.inside = False  # whether it is the validation of another loop

    def run_batches(
        self,
        values: list[Any],
        size: int,
        shuffle: Any,
        callbacks: CallbackList,
        epoch: int = 0,
        size_counts: bool = True,
    ) -> list[Any]:
        """One pass over arrays in batches; losses count by the batches' sizes, or each once."""
        samples = next(len_of(v) for v in values if v is not None)
        places = np.arange(samples)
        in_order = True
        if shuffle:
            places, in_order = _shuffled(places, shuffle, size), False
        predicting = self._mode == "predict"
        totals: Any = Parts(samples) if predicting else Totals()
        run, owner = self._function.run_flat, session.get_session()
        for index, (start, stop) in enumerate(batches_of(samples, size)):
            part = sliced(values, start, stop) if in_order else sliced(values, places[start:stop])
            logs = {"batch": index, "size": stop - start}
            callbacks.batch(self._mode, "begin", index, logs)
            foreseen = self._passes * (max(samples // size, 1) if stop - start == size else 1)
            with repeated(foreseen):
                outputs = run(owner, part + self._phase)
            if predicting:
                totals.add(outputs, start, stop)
                logs = named(logs, ["outputs"], [outputs])
            else:
                totals.add(outputs, stop - start if size_counts else 1)
                logs = named(logs, self._names, outputs)
            callbacks.batch(self._mode, "end", index, logs)
            if self._model.stop_training:
                break
        return totals.finish()

    def run_steps(
        self, values: list[Any], steps: int | None, callbacks: CallbackList
    ) -> tuple[list[Any], int]:
        """One pass over tensors, a batch in each step; also says how many steps there were."""
        predicting = self._mode == "predict"
        totals: Any = Parts(None) if predicting else Totals()
        before, self._totals = self._totals, totals
        index = 0
        foreseen = None if steps is None else self._passes * steps
        while steps is None or index < steps:
            logs: dict[str, Any] = {"batch": index, "size": 1}
            callbacks.batch(self._mode, "begin", index, logs)
            try:
                with repeated(foreseen):
                    found = self._function([*values, *self._phase])
            except errors.OutOfRangeError:
                if steps is not None:
                    ran_out(self._model, steps)
                break
            outputs = found if isinstance(found, list) else [found]
            if predicting:
                totals.add(outputs, 0, 0)
                logs = named(logs, ["outputs"], [outputs])
            else:
                totals.add(outputs, 1)
                logs = named(logs, self._names, outputs)
            callbacks.batch(self._mode, "end", index, logs)
            index += 1
            if self._model.stop_training:
                break
        # As in TensorFlow, a pass without a batch averages the one before once more.
        return (totals if index or before is None else before).finish(), index


def ran_out(model: Any, steps: int) -> None:
    """Ends training: the data had fewer batches than steps were asked for."""
    model.stop_training = True
    warnings.warn(
        "Your dataset ran out of data; interrupting training. Make sure that your dataset can generate at "
        f"least {steps} batches for each epoch; `repeat()` makes a dataset begin again.",
        stacklevel=3,
    )


def len_of(value: Any) -> int:
    """How many samples an array has."""
    return value.shape[0] if hasattr(value, "shape") else len(value)
