"""Callbacks that stop training, change its rate, or keep the best weights."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.backend import session
from millrace.models.keras.callbacks.base import Callback


class _Watch:
    """Whether a figure has become better.

    Args:
      monitor: its name.
      mode: "min", "max" or "auto": larger is better for accuracies.
      delta: how much better counts.
    """

    def __init__(self, monitor: str, mode: str, delta: float, who: str) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{who} mode {mode} is unknown, fallback to auto mode.", stacklevel=4)
            mode = "auto"
        larger = mode == "max" or (mode == "auto" and ("acc" in monitor or monitor.startswith("fmeasure")))
        self.larger, self.delta = larger, abs(delta)

    @property
    def worst(self) -> float:
        """A figure that every other is better than."""
        return -np.inf if self.larger else np.inf

    def better(self, current: Any, best: Any) -> bool:
        """Whether `current` is better than `best` by enough."""
        if self.larger:
            return bool(np.greater(current, best + self.delta))
        return bool(np.less(current, best - self.delta))


@public("keras.callbacks.EarlyStopping")
class EarlyStopping(Callback):
    """Stops when a figure has not become better for a while.

    Args:
      monitor: the figure's name.
      min_delta: how much better counts.
      patience: after how many epochs without it training stops.
      verbose: 1 says so.
      mode: "min", "max" or "auto".
      baseline: what the figure must be better than.
      restore_best_weights: go back to the weights of the best epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__()
        self.monitor, self.patience, self.verbose = monitor, patience, verbose
        self.baseline, self.restore_best_weights = baseline, restore_best_weights
        self._watch = _Watch(monitor, mode, min_delta, "EarlyStopping")
        self.monitor_op = np.greater if self._watch.larger else np.less
        self.min_delta = abs(min_delta) if self._watch.larger else -abs(min_delta)
        self.wait = self.stopped_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins anew."""
        self.wait = self.stopped_epoch = 0
        self.best: Any = self._watch.worst if self.baseline is None else self.baseline

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the figure."""
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self._watch.better(current, self.best):
            self.best, self.wait = current, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.restore_best_weights and self.best_weights is not None:
                if self.verbose > 0:
                    _say("Restoring model weights from the end of the best epoch.")
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Any = None) -> None:
        """Says when it stopped."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            _say(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")

    def get_monitor_value(self, logs: Any) -> Any:
        """The figure, or None where there is none."""
        return _figure(logs, self.monitor, "Early stopping conditioned on metric")


def _figure(logs: Any, name: str, who: str) -> Any:
    logs = logs or {}
    if name not in logs:
        warnings.warn(
            f"{who} `{name}` which is not available. Available metrics are: {','.join(logs)}", stacklevel=3
        )
    return logs.get(name)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


@public("keras.callbacks.TerminateOnNaN")
class TerminateOnNaN(Callback):
    """Stops when the loss is not a number."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and (np.isnan(loss) or np.isinf(loss)):
            _say(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


@public("keras.callbacks.LambdaCallback")
class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
      on_epoch_begin, on_epoch_end: take the epoch and the logs.
      on_batch_begin, on_batch_end: take the batch and the logs.
      on_train_begin, on_train_end: take the logs.
      **kwargs: further attributes.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        vars(self).update(kwargs)
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
        }
        vars(self).update({name: f for name, f in given.items() if f is not None})


@public("keras.callbacks.LearningRateScheduler")
class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    Args:
      schedule: takes the epoch, and the current rate where it takes two arguments.
      verbose: 1 says so.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the rate.

        Raises:
          ValueError: the optimizer has no rate, or the schedule gives no number.
        """
        if not hasattr(self.model.optimizer, "lr"):
            raise ValueError('Optimizer must have a "lr" attribute.')
        try:
            rate = self.schedule(epoch, float(session.get_value(self.model.optimizer.lr)))
        except TypeError:
            rate = self.schedule(epoch)
        if not isinstance(rate, float | np.float32 | np.float64):  # pyright: ignore[reportArgumentType]
            raise ValueError('The output of the "schedule" function should be float.')
        session.set_value(self.model.optimizer.lr, rate)
        if self.verbose > 0:
            _say(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler reducing learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the rate into the logs."""
        if logs is not None:
            logs["lr"] = session.get_value(self.model.optimizer.lr)


@public("keras.callbacks.ReduceLROnPlateau")
class ReduceLROnPlateau(Callback):
    """Lowers the learning rate when a figure has not become better for a while.

    Args:
      monitor: the figure's name.
      factor: what the rate is multiplied with.
      patience: after how many epochs.
      verbose: 1 says so.
      mode: "min", "max" or "auto".
      min_delta: how much better counts.
      cooldown: how many epochs to wait afterwards.
      min_lr: the lowest rate.
      **kwargs: `epsilon`, the old name of `min_delta`.

    Raises:
      ValueError: the factor is not below 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ValueError("ReduceLROnPlateau does not support a factor >= 1.0.")
        self.monitor, self.factor, self.patience, self.verbose = monitor, factor, patience, verbose
        self.mode, self.cooldown, self.min_lr = mode, cooldown, min_lr
        self.min_delta = kwargs.pop("epsilon", min_delta)
        self._reset()

    def _reset(self) -> None:
        larger = self.mode == "max" or (self.mode == "auto" and "acc" in self.monitor)
        self._watch = _Watch(self.monitor, "max" if larger else "min", self.min_delta, "ReduceLROnPlateau")
        self.best: Any = self._watch.worst
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins anew."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the figure."""
        logs = logs if logs is not None else {}
        logs["lr"] = session.get_value(self.model.optimizer.lr)
        current = _figure(logs, self.monitor, "Reduce LR on plateau conditioned on metric")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._watch.better(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def _lower(self, epoch: int) -> None:
        old = float(session.get_value(self.model.optimizer.lr))
        if old > self.min_lr:
            new = max(old * self.factor, self.min_lr)
            session.set_value(self.model.optimizer.lr, new)
            if self.verbose > 0:
                _say(f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}.")
            self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        """Whether it waits."""
        return self.cooldown_counter > 0


@public("keras.callbacks.ModelCheckpoint")
class ModelCheckpoint(Callback):
    """Saves the model, or the best one.

    Args:
      filepath: where; `{epoch}` and the names of figures are filled in.
      monitor: the figure by which the best is chosen.
      verbose: 1 says so.
      save_best_only: save only when the figure has become better.
      save_weights_only: save the weights, not the model.
      mode: "min", "max" or "auto".
      save_freq: "epoch", or after how many samples.
      **kwargs: `period`: after how many epochs; `load_weights_on_restart`; others are ignored, as in 1.15.

    Raises:
      ValueError: `save_freq` is something else.
    """

    def __init__(
        self,
        filepath: str,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.monitor, self.verbose, self.filepath = monitor, verbose, filepath
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        self.epochs_since_last_save = 0
        self._samples_seen_since_last_saving = 0
        self.load_weights_on_restart = kwargs.get("load_weights_on_restart", False)
        self.period = kwargs.get("period", 1)
        self._watch = _Watch(monitor, mode, 0.0, "ModelCheckpoint")
        self.best: Any = self._watch.worst
        self.monitor_op = np.greater if self._watch.larger else np.less
        if self.save_freq != "epoch" and not isinstance(self.save_freq, int):
            raise ValueError(f"Unrecognized save_freq: {self.save_freq}")

    def on_train_begin(self, logs: Any = None) -> None:
        """Reads the latest weights where that is asked for."""
        if not self.load_weights_on_restart:
            return
        found = self._latest()
        if found is not None:
            self.model.load_weights(found)

    def _latest(self) -> str | None:
        folder, name = os.path.split(self.filepath)
        pattern = "^" + re.sub(r"\\?\{.*?\\?\}", ".*", re.escape(name)) + "$"
        if not os.path.isdir(folder or "."):
            return None
        found = [os.path.join(folder, f) for f in os.listdir(folder or ".") if re.match(pattern, f)]
        return max(found, key=os.path.getmtime) if found else None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch."""
        self._current_epoch = epoch

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves after so many samples."""
        if isinstance(self.save_freq, int):
            self._samples_seen_since_last_saving += (logs or {}).get("size", 1)
            if self._samples_seen_since_last_saving >= self.save_freq:
                self._save(self._current_epoch, logs)
                self._samples_seen_since_last_saving = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves after so many epochs."""
        self.epochs_since_last_save += 1
        if self.save_freq == "epoch" and self.epochs_since_last_save >= self.period:
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Any) -> None:
        self.epochs_since_last_save = 0
        path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        if self.save_best_only:
            current = (logs or {}).get(self.monitor)
            if current is None:
                warnings.warn(
                    f"Can save best model only with {self.monitor} available, skipping.", stacklevel=3
                )
                return
            if not self._watch.better(current, self.best):
                if self.verbose > 0:
                    _say(f"\nEpoch {epoch + 1:05d}: {self.monitor} did not improve from {self.best:0.5f}")
                return
            if self.verbose > 0:
                _say(
                    f"\nEpoch {epoch + 1:05d}: {self.monitor} improved from {self.best:0.5f} to "
                    f"{current:0.5f}, saving model to {path}"
                )
            self.best = current
        elif self.verbose > 0:
            _say(f"\nEpoch {epoch + 1:05d}: saving model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
