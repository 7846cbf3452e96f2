"""Exporters: which evaluations of `train_and_evaluate` leave a SavedModel behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.lib.platform import gfile, log
from millrace.summaries.file_writer import summary_iterator


@public("estimator.Exporter")
class Exporter:
    """Base of exporters: what is done with an estimator after an evaluation."""

    @property
    def name(self) -> str:
        """The name of the exporter's folder."""
        raise TypeError(f"{type(self).__name__} must define name")

    def export(
        self,
        estimator: Any,
        export_path: Any,
        checkpoint_path: Any,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        """Exports, and returns the folder, or None."""
        raise TypeError(f"{type(self).__name__} must define export. Received: {export_path}")


class _Saving(Exporter):
    """What the exporters share.

    Args:
      name: of the folder.
      serving_input_receiver_fn: gives a `ServingInputReceiver`.
      assets_extra: more files.
      as_text: write `saved_model.pbtxt`.
    """

    def __init__(self, name: str, serving_input_receiver_fn: Any, assets_extra: Any, as_text: bool) -> None:
        self._name, self._receiver = name, serving_input_receiver_fn
        self._assets_extra, self._as_text = assets_extra, as_text

    @property
    def name(self) -> str:
        """The name of the exporter's folder."""
        return self._name

    def _save(self, estimator: Any, export_path: Any, checkpoint_path: Any) -> Any:
        return estimator.export_saved_model(
            export_path,
            self._receiver,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )


def _remove_old(folder: Any, keep: int | None) -> None:
    if keep is None or not gfile.isdir(folder):
        return
    versions = sorted((n.rstrip("/") for n in gfile.listdir(folder) if n.rstrip("/").isdigit()), key=int)
    for name in versions[:-keep] if keep else []:
        try:
            gfile.rmtree(os.path.join(os.fspath(folder), name))
        except errors.NotFoundError as error:
            log.warning("Can not delete %s recursively: %s", name, error)


def _check_keep(exports_to_keep: int | None) -> None:
    if exports_to_keep is not None and exports_to_keep <= 0:
        raise ValueError(
            f"`exports_to_keep`, if provided, must be a positive number. Received: {exports_to_keep}"
        )


@public("estimator.FinalExporter")
class FinalExporter(_Saving):
    """Exports at the end of training.

    Args:
      name: of the folder.
      serving_input_receiver_fn: gives a `ServingInputReceiver`.
      assets_extra: more files, from their places to their paths.
      as_text: write `saved_model.pbtxt`.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Any = None,
        as_text: bool = False,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self,
        estimator: Any,
        export_path: Any,
        checkpoint_path: Any,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        """Exports, when training is over."""
        if not is_the_final_export:
            return None
        log.info("Performing the final export in the end of training.")
        return self._save(estimator, export_path, checkpoint_path)


@public("estimator.LatestExporter")
class LatestExporter(_Saving):
    """Exports after each evaluation, and keeps the last few.

    Args:
      name: of the folder.
      serving_input_receiver_fn: gives a `ServingInputReceiver`.
      assets_extra: more files, from their places to their paths.
      as_text: write `saved_model.pbtxt`.
      exports_to_keep: how many; None for all.

    Raises:
      ValueError: `exports_to_keep` is not positive.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Any = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        _check_keep(exports_to_keep)
        self._keep = exports_to_keep

    def export(
        self,
        estimator: Any,
        export_path: Any,
        checkpoint_path: Any,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        """Exports."""
        found = self._save(estimator, export_path, checkpoint_path)
        _remove_old(export_path, self._keep)
        return found


def _loss_smaller(best_eval_result: Any, current_eval_result: Any) -> bool:
    for result, name in ((best_eval_result, "best"), (current_eval_result, "current")):
        if not result or "loss" not in result:
            raise ValueError(
                f"{name}_eval_result cannot be empty or no loss is found in it. Received: {result}"
            )
    return best_eval_result["loss"] > current_eval_result["loss"]


@public("estimator.BestExporter")
class BestExporter(_Saving):
    """Exports when an evaluation is better than all before.

    Args:
      name: of the folder.
      serving_input_receiver_fn: gives a `ServingInputReceiver`.
      event_file_pattern: where results of earlier runs are, under the model's folder.
      compare_fn: takes `best_eval_result` and `current_eval_result`; whether the current one is better.
      assets_extra: more files, from their places to their paths.
      as_text: write `saved_model.pbtxt`.
      exports_to_keep: how many; None for all.

    Raises:
      ValueError: there is no `compare_fn`, or `exports_to_keep` is not positive.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable[[], Any] | None = None,
        event_file_pattern: str | None = "eval/*.tfevents.*",
        compare_fn: Callable[..., bool] = _loss_smaller,
        assets_extra: Any = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        if compare_fn is None:
            raise ValueError("`compare_fn` must not be None.")
        _check_keep(exports_to_keep)
        self._compare, self._keep, self._pattern = compare_fn, exports_to_keep, event_file_pattern
        self._best: Any = None
        self._looked = False

    def export(
        self,
        estimator: Any,
        export_path: Any,
        checkpoint_path: Any,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        """Exports, when the result is the best."""
        if not self._looked and self._pattern:
            log.info("Loading best metric from event files.")
            self._best = self._earlier(os.path.join(estimator.model_dir, self._pattern))
        self._looked = True
        if self._best is not None and not self._compare(
            best_eval_result=self._best, current_eval_result=eval_result
        ):
            return None
        log.info("Performing best model export.")
        self._best = eval_result
        found = self._save(estimator, export_path, checkpoint_path)
        _remove_old(export_path, self._keep)
        return found

    def _earlier(self, pattern: str) -> Any:
        """The best result among the event files of earlier runs."""
        best: Any = None
        for path in gfile.glob(pattern):
            for event in summary_iterator(path):
                found = {v.tag: v.simple_value for v in event.summary.value if v.HasField("simple_value")}
                if found and (
                    best is None or self._compare(best_eval_result=best, current_eval_result=found)
                ):
                    best = found
        return best
