"""Callbacks that keep and show the course of training."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.callbacks.base import Callback


@public("keras.utils.Progbar")
class Progbar:
    """A progress bar.

    Args:
      target: how many steps there will be; None where nobody knows.
      width: of the bar in characters.
      verbose: 1 for a bar, 2 for a line at the end, 0 for nothing.
      interval: seconds between updates.
      stateful_metrics: names of figures that are shown as they are, not averaged.
      unit_name: what a step is called.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        self._dynamic = terminal or any(m in sys.modules for m in ("ipykernel", "posix"))
        self._total_width, self._seen_so_far = 0, 0
        self._values: dict[str, Any] = {}
        self._start, self._last_update = time.time(), 0.0

    def update(self, current: int, values: Any = None) -> None:
        """Shows that `current` steps are done.

        Args:
          current: how many.
          values: pairs of a name and a figure.
        """
        for name, value in values or []:
            if name in self.stateful_metrics:
                self._values[name] = [value, 1]
            else:
                base = max(current - self._seen_so_far, 1)
                known = self._values.setdefault(name, [0.0, 0])
                known[0] += value * base
                known[1] += base
        self._seen_so_far = current
        now = time.time()
        info = f" - {now - self._start:.0f}s"
        if self.verbose == 1:
            done = self.target is not None and current >= self.target
            if now - self._last_update < self.interval and not done and self.target is not None:
                return
            self._write(self._bar(current) + self._timing(current, now, info), done)
        elif self.verbose == 2 and self.target is not None and current >= self.target:
            count = f"{current:{len(str(self.target))}d}/{self.target}"
            sys.stdout.write(count + info + self._figures() + "\n")
            sys.stdout.flush()
        self._last_update = now

    def _write(self, text: str, done: bool) -> None:
        previous = self._total_width
        lead = "\b" * previous + "\r" if self._dynamic else "\n"
        self._total_width = len(text)
        text += " " * max(previous - len(text), 0)
        if done:
            text += "\n"
        sys.stdout.write(lead + text)
        sys.stdout.flush()

    def _bar(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = len(str(self.target))
        share = current / self.target if self.target else 1.0
        full = int(self.width * share)
        arrow = ">" if current < self.target else "="
        bar = "=" * max(full - 1, 0) + (arrow if full > 0 else "") + "." * (self.width - full)
        return f"{current:{digits}d}/{self.target} [{bar}]"

    def _timing(self, current: int, now: float, info: str) -> str:
        each = (now - self._start) / current if current else 0
        if self.target is not None and current < self.target:
            left = each * (self.target - current)
            if left > 3600:
                eta = f"{left // 3600:.0f}:{(left % 3600) // 60:02.0f}:{left % 60:02.0f}"
            elif left > 60:
                eta = f"{left // 60:.0f}:{left % 60:02.0f}"
            else:
                eta = f"{left:.0f}s"
            return f" - ETA: {eta}" + self._figures()
        if each >= 1 or each == 0:
            rate = f" {each:.0f}s/{self.unit_name}"
        elif each >= 1e-3:
            rate = f" {each * 1e3:.0f}ms/{self.unit_name}"
        else:
            rate = f" {each * 1e6:.0f}us/{self.unit_name}"
        return info + rate + self._figures()

    def _figures(self) -> str:
        text = ""
        for name, (total, count) in self._values.items():
            mean = np.mean(total / max(1, count))
            text += f" - {name}: {mean:.4f}" if abs(mean) > 1e-3 else f" - {name}: {mean:.4e}"
        return text

    def add(self, n: int, values: Any = None) -> None:
        """Shows that `n` more steps are done."""
        self.update(self._seen_so_far + n, values)


@public("keras.callbacks.BaseLogger")
class BaseLogger(Callback):
    """Averages the figures of batches over an epoch.

    Args:
      stateful_metrics: names of figures that are averages already.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or [])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins anew."""
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Takes the figures of a batch."""
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size * logs.get("num_steps", 1)
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                number = np.float64(value) if isinstance(value, np.floating) else value
                self.totals[name] = self.totals.get(name, 0) + number * size

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the averages into `logs`."""
        if logs is not None:
            for name in self.params["metrics"]:
                if name in self.totals:
                    whole = name in self.stateful_metrics
                    logs[name] = self.totals[name] if whole else self.totals[name] / self.seen


@public("keras.callbacks.History")
class History(Callback):
    """Keeps the figures of each epoch: `history` by name, `epoch` their numbers."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins anew."""
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes the figures of an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


@public("keras.callbacks.ProgbarLogger")
class ProgbarLogger(Callback):
    """Shows a progress bar for each epoch.

    Args:
      count_mode: count "samples" or "steps".
      stateful_metrics: names of figures that are averages already.

    Raises:
      ValueError: `count_mode` is something else.
    """

    def __init__(self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"Unknown `count_mode`: {count_mode}")
        self.use_steps = count_mode == "steps"
        self.stateful_metrics = set(stateful_metrics or [])
        self.mode = "train"  # what the loop it is told of does
        self.progbar: Progbar | None = None
        self.log_values: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Takes over the settings."""
        self.verbose, self.epochs = self.params["verbose"], self.params["epochs"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins a bar."""
        self.seen = 0
        self.target = self.params["steps" if self.use_steps else "samples"]
        if self.verbose and self.epochs > 1:
            sys.stdout.write(f"Epoch {epoch + 1}/{self.epochs}\n")
        self._begin()

    def _begin(self) -> None:
        self.progbar = Progbar(
            self.target,
            verbose=self.verbose,
            stateful_metrics=self.stateful_metrics,
            unit_name="step" if self.use_steps else "sample",
        )

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Forgets the figures of the last batch."""
        self.log_values = []

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar."""
        self._advance(batch, logs or {})

    def _advance(self, batch: int, logs: dict[str, Any]) -> None:
        if self.progbar is None:
            self.seen, self.verbose = 0, self.params.get("verbose", 1)
            self.target = self.params.get("steps" if self.use_steps else "samples")
            self._begin()
        self.log_values = [(k, logs[k]) for k in self.params.get("metrics", []) if k in logs]
        self.seen += logs.get("num_steps", 1) if self.use_steps else logs.get("size", 0)
        if self.verbose and (self.target is None or self.seen < self.target):
            self.progbar.update(self.seen, self.log_values)  # type: ignore[union-attr]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends the bar, with the figures of validation."""
        logs = logs or {}
        known = {name for name, _ in self.log_values}
        for name in self.params["metrics"]:
            if name in logs and name not in known:
                self.log_values.append((name, logs[name]))
        if self.verbose and self.progbar is not None:
            if self.progbar.target is None:
                self.progbar.target = self.seen
            self.progbar.update(self.seen, self.log_values)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar of an evaluation."""
        if self.mode == "test":
            self._advance(batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar of a prediction."""
        if self.mode == "predict":
            self._advance(batch, logs or {})

    def on_test_end(self, logs: Any = None) -> None:
        """Ends the bar of an evaluation."""
        self._finish("test")

    def on_predict_end(self, logs: Any = None) -> None:
        """Ends the bar of a prediction."""
        self._finish("predict")

    def _finish(self, mode: str) -> None:
        if self.mode == mode and self.progbar is not None and self.verbose:
            self.progbar.target = self.progbar.target or self.seen
            self.progbar.update(self.seen, self.log_values)
            self.progbar = None


class ValidationBar(Callback):
    """The bar of validations between epochs of a generator's batches: as in 1.15 it has training's counts.

    Args:
      count_mode: count "samples" or "steps".
    """

    def __init__(self, count_mode: str) -> None:
        super().__init__()
        self._count_mode = count_mode

    def on_test_begin(self, logs: Any = None) -> None:
        """Begins a bar."""
        self._shown = ProgbarLogger(self._count_mode, self.model.metrics_names[1:])
        self._shown.set_params(self.params)
        self._shown.on_train_begin()
        self._shown.on_epoch_begin(0)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Forgets the figures of the last batch."""
        self._shown.on_batch_begin(batch)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar."""
        self._shown.on_batch_end(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Ends the bar."""
        self._shown.on_epoch_end(0)
