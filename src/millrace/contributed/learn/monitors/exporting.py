"""`tf.contrib.learn.monitors.ExportMonitor`: session bundles written while a model is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.monitors.base import EveryN
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.saver.checkpoint.state import latest_checkpoint


@public("contrib.learn.monitors.ExportMonitor")
class ExportMonitor(EveryN):
    """Exports the newest checkpoint every so many steps, and at the end.

    Args:
      every_n_steps: from one export to the next.
      export_dir: the folder of the exports.
      input_fn: from serialized examples to features; with `input_feature_key`, without arguments.
      input_feature_key: the name of the examples among the features.
      exports_to_keep: how many exports to keep; None for all.
      signature_fn: from examples, features and predictions to a default signature and others by name.
      default_batch_size: how many examples; None for any number.

    Raises:
      ValueError: `input_fn` has no examples to take, and `input_feature_key` names none.
    """

    def __init__(
        self,
        every_n_steps: int,
        export_dir: Any,
        input_fn: Callable[..., Any] | None = None,
        input_feature_key: str | None = None,
        exports_to_keep: int | None = 5,
        signature_fn: Callable[..., Any] | None = None,
        default_batch_size: int | None = 1,
    ) -> None:
        super().__init__(every_n_steps=every_n_steps)
        self._export_dir, self._exports_to_keep = export_dir, exports_to_keep
        self._signature_fn = signature_fn
        self._given: dict[str, Any] = {"default_batch_size": default_batch_size}
        if input_fn is not None:
            self._given["input_fn"] = input_fn
        if input_feature_key is not None:
            self._given.update(input_feature_key=input_feature_key, use_deprecated_input_fn=input_fn is None)
        self._last_export_dir: bytes | None = None

    @property
    def export_dir(self) -> Any:
        """The folder of the exports."""
        return self._export_dir

    @property
    def exports_to_keep(self) -> int | None:
        """How many are kept."""
        return self._exports_to_keep

    @property
    def signature_fn(self) -> Callable[..., Any] | None:
        """What makes the signatures."""
        return self._signature_fn

    @property
    def last_export_dir(self) -> bytes | None:
        """The folder of the newest export, or None."""
        return self._last_export_dir

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Exports what was saved last."""
        super().every_n_step_end(step, outputs)
        self._export()
        return False

    def end(self, session: Any = None) -> None:
        """Exports the last checkpoint."""
        super().end(session)
        if latest_checkpoint(self._estimator.model_dir) is None:
            log.info("Skipping export at the end since model has not been saved yet.")
            return
        self._export()

    def _export(self) -> None:
        try:
            self._last_export_dir = self._estimator.export(
                self._export_dir,
                signature_fn=self._signature_fn,
                exports_to_keep=self._exports_to_keep,
                **self._given,
            )
        except RuntimeError:
            log.info("Skipping exporting for the same step.")
