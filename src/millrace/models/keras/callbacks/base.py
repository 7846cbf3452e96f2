"""`Callback`, and the list of them that a loop tells of its progress."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public


@public("keras.callbacks.Callback")
class Callback:
    """Base of callbacks: override what you want to be told.

    Attributes:
      params: verbosity, batch size, numbers of epochs, samples and steps, names of the metrics.
      model: the model.
    """

    def __init__(self) -> None:
        self.validation_data: Any = None
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Told before the start."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Told before the start."""
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch of training begins."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch of training has ended; `logs` hold loss and metrics, `val_` before those of validation."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The old name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The old name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of training begins."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of training has ended."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of evaluation or validation begins."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of evaluation or validation has ended."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of prediction begins."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of prediction has ended."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Any = None) -> None:
        """Training has ended."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Evaluation or validation begins."""

    def on_test_end(self, logs: Any = None) -> None:
        """Evaluation or validation has ended."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Prediction begins."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Prediction has ended."""


class CallbackList:
    """Callbacks that are told together.

    Args:
      callbacks: in the order in which they are told.
      model: the model.
      params: what they are told before the start.
    """

    def __init__(self, callbacks: list[Any], model: Any, params: dict[str, Any]) -> None:
        self.callbacks, self.model, self.params = callbacks, model, params
        for callback in callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def begin(self, mode: str) -> None:
        """Training ("train"), evaluation ("test") or prediction ("predict") begins."""
        for callback in self.callbacks:
            getattr(callback, f"on_{mode}_begin")(None)

    def end(self, mode: str) -> None:
        """It has ended."""
        for callback in self.callbacks:
            getattr(callback, f"on_{mode}_end")(None)

    def batch(self, mode: str, hook: str, batch: int, logs: dict[str, Any]) -> None:
        """A batch begins or ends: `hook` is "begin" or "end"."""
        name = f"on_{mode}_batch_{hook}"
        for callback in self.callbacks:
            getattr(callback, name)(batch, logs)

    def epoch(self, hook: str, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch begins or ends: `hook` is "begin" or "end"."""
        for callback in self.callbacks:
            getattr(callback, f"on_epoch_{hook}")(epoch, logs)

    def __iter__(self) -> Any:
        return iter(self.callbacks)
