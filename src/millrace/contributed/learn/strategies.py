"""`tf.contrib.learn`: what an experiment does with its exports, and which of them it keeps."""

from __future__ import annotations

import os
import time
from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

from millrace.contributed.layers.columns.parsing import create_feature_spec_for_parsing
from millrace.contributed.learn.garbage import Path, get_paths, largest_export_versions, negation
from millrace.contributed.learn.serving import build_parsing_serving_input_fn
from millrace.core.public import public
from millrace.lib.platform import gfile
from millrace.models.estimator.arguments import arguments_of
from millrace.models.estimator.estimator import Estimator as CoreEstimator
from millrace.models.estimator.exporting import timestamped
from millrace.models.estimator.receivers import (
    build_parsing_serving_input_receiver_fn,
)
from millrace.models.feature_columns.input_layer import make_parse_example_spec
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.summaries.file_writer import summary_iterator

MAX_DIRECTORY_CREATION_ATTEMPTS = public(
    "contrib.learn.utils.saved_model_export_utils.MAX_DIRECTORY_CREATION_ATTEMPTS"
)(10)


@public("contrib.learn.ExportStrategy")
class ExportStrategy(namedtuple("ExportStrategy", "name export_fn strip_default_attrs")):
    """A kind of export.

    Args:
      name: of its folder.
      export_fn: takes an estimator and a folder, and as far as it names them `checkpoint_path`, `eval_result`
        and `strip_default_attrs`; gives the export's folder.
      strip_default_attrs: whether attributes with their default values are left out of the graph.
    """

    __slots__ = ()

    def __new__(cls, name: str, export_fn: Callable[..., Any], strip_default_attrs: Any = None) -> Any:  # noqa: D102 - the class says it
        return super().__new__(cls, name, export_fn, strip_default_attrs)

    def export(
        self, estimator: Any, export_path: Any, checkpoint_path: Any = None, eval_result: Any = None
    ) -> Any:
        """Exports a model.

        Args:
          estimator: the estimator.
          export_path: the folder for such exports.
          checkpoint_path: default: the newest.
          eval_result: the metrics of its evaluation.

        Returns:
          The export's folder.

        Raises:
          ValueError: metrics are given, and `export_fn` takes none.
        """
        names, given = arguments_of(self.export_fn), {}
        if checkpoint_path:
            given["checkpoint_path"] = checkpoint_path
        if eval_result is not None and "eval_result" in names:
            given["eval_result"] = eval_result
        if self.strip_default_attrs is not None and "strip_default_attrs" in names:
            given["strip_default_attrs"] = self.strip_default_attrs
        return self.export_fn(estimator, export_path, **given)


def _version(path: Path) -> Path | None:
    name = os.path.basename(os.fspath(path.path))
    name = name.decode() if isinstance(name, bytes) else name
    return path._replace(export_version=int(name)) if name.isdigit() and len(name) == 10 else None


@public("contrib.learn.utils.saved_model_export_utils.get_timestamped_export_dir")
def get_timestamped_export_dir(export_dir_base: Any) -> bytes:
    """A folder under another that does not exist, named by the time.

    Args:
      export_dir_base: the other.

    Raises:
      RuntimeError: ten of them exist.
    """
    return timestamped(export_dir_base)


@public("contrib.learn.utils.saved_model_export_utils.get_temp_export_dir")
def get_temp_export_dir(timestamped_export_dir: Any) -> bytes:
    """Where an export is written before it gets its name.

    Args:
      timestamped_export_dir: the name that it gets.
    """
    base, name = os.path.split(os.fsencode(timestamped_export_dir))
    return os.path.join(base, b"temp-" + name)


@public("contrib.learn.utils.saved_model_export_utils.get_most_recent_export")
def get_most_recent_export(export_dir_base: Any) -> Path | None:
    """The newest export in a folder, or None.

    Args:
      export_dir_base: the folder.
    """
    found = largest_export_versions(1)(get_paths(export_dir_base, parser=_version))
    return found[0] if found else None


@public("contrib.learn.utils.saved_model_export_utils.garbage_collect_exports")
def garbage_collect_exports(export_dir_base: Any, exports_to_keep: int | None) -> None:
    """Removes all but the newest exports of a folder.

    Args:
      export_dir_base: the folder.
      exports_to_keep: how many; None for all.
    """
    if exports_to_keep is None:
        return
    old = negation(largest_export_versions(exports_to_keep))
    for path in old(get_paths(export_dir_base, parser=_version)):
        gfile.rmtree(path.path)


@public(
    "contrib.learn.make_export_strategy",
    "contrib.learn.utils.make_export_strategy",
    "contrib.learn.utils.saved_model_export_utils.make_export_strategy",
)
def make_export_strategy(
    serving_input_fn: Callable[[], Any],
    default_output_alternative_key: Any = None,
    assets_extra: dict[str, Any] | None = None,
    as_text: bool = False,
    exports_to_keep: int | None = 5,
    strip_default_attrs: Any = None,
) -> ExportStrategy:
    """A strategy that writes SavedModels, and keeps the newest.

    Args:
      serving_input_fn: gives an `InputFnOps`, or a `ServingInputReceiver` for `tf.estimator.Estimator`.
      default_output_alternative_key: which output a server fetches if nothing is said.
      assets_extra: more files, by their place.
      as_text: write the graph as text.
      exports_to_keep: how many are kept; None for all.
      strip_default_attrs: whether attributes with their default values are left out of the graph.
    """

    def export_fn(
        estimator: Any, export_dir_base: Any, checkpoint_path: Any = None, strip_default_attrs: Any = False
    ) -> Any:
        common: dict[str, Any] = {
            "assets_extra": assets_extra,
            "as_text": as_text,
            "checkpoint_path": checkpoint_path,
            "strip_default_attrs": bool(strip_default_attrs),
        }
        if not isinstance(estimator, CoreEstimator):
            common["default_output_alternative_key"] = default_output_alternative_key
        elif default_output_alternative_key is not None:
            raise ValueError(
                "default_output_alternative_key is not supported in core Estimator. "
                f"Given: {default_output_alternative_key}"
            )
        made = estimator.export_savedmodel(export_dir_base, serving_input_fn, **common)
        garbage_collect_exports(export_dir_base, exports_to_keep)
        return made

    return ExportStrategy("Servo", export_fn, strip_default_attrs)


@public("contrib.learn.utils.saved_model_export_utils.make_parsing_export_strategy")
def make_parsing_export_strategy(
    feature_columns: Iterable[Any],
    default_output_alternative_key: Any = None,
    assets_extra: dict[str, Any] | None = None,
    as_text: bool = False,
    exports_to_keep: int | None = 5,
    target_core: bool = False,
    strip_default_attrs: Any = None,
) -> ExportStrategy:
    """A strategy for servers that feed serialized Examples with what columns read.

    Args:
      feature_columns: the columns.
      target_core: whether they, and the estimator, are of `tf.feature_column` and `tf.estimator`.
      default_output_alternative_key, assets_extra, as_text, exports_to_keep, strip_default_attrs: as for
        `make_export_strategy`.
    """
    if target_core:
        serving = build_parsing_serving_input_receiver_fn(make_parse_example_spec(feature_columns))
    else:
        serving = build_parsing_serving_input_fn(create_feature_spec_for_parsing(feature_columns))
    return make_export_strategy(
        serving, default_output_alternative_key, assets_extra, as_text, exports_to_keep, strip_default_attrs
    )


def _has_less_loss(best: dict[str, Any], current: dict[str, Any]) -> bool:
    for what, found in (("best", best), ("current", current)):
        if not found or "loss" not in found:
            raise ValueError(f"{what} evaluation results must have a loss. Received: {found}")
    return best["loss"] > current["loss"]


@public("contrib.learn.utils.saved_model_export_utils.BestModelSelector")
class BestModelSelector:
    """Remembers the best of several evaluations.

    Args:
      event_file_pattern: files of events of earlier evaluations.
      compare_fn: takes the best metrics and the current ones; True where the current ones are better;
        default: a smaller loss.
    """

    def __init__(self, event_file_pattern: Any = None, compare_fn: Callable[..., bool] | None = None) -> None:
        self._compare = compare_fn or _has_less_loss
        self._best = self._earlier(event_file_pattern) if event_file_pattern else None

    def update(self, checkpoint_path: str, eval_result: dict[str, Any]) -> tuple[str, Any]:
        """The checkpoint and its metrics where they are the best so far; "" and None where not.

        Args:
          checkpoint_path: the checkpoint.
          eval_result: its metrics.
        """
        if self._best is not None and not self._compare(self._best, eval_result):
            return "", None
        self._best = eval_result
        return checkpoint_path, eval_result

    def _earlier(self, pattern: Any) -> dict[str, Any] | None:
        best = None
        for name in gfile.glob(pattern):
            for event in summary_iterator(name):
                values = {v.tag: v.simple_value for v in event.summary.value if v.HasField("simple_value")}
                if values and (best is None or self._compare(best, values)):
                    best = values
        return best


@public("contrib.learn.utils.saved_model_export_utils.make_best_model_export_strategy")
def make_best_model_export_strategy(
    serving_input_fn: Callable[[], Any],
    exports_to_keep: int | None = 1,
    model_dir: Any = None,
    event_file_pattern: Any = None,
    compare_fn: Callable[..., bool] | None = None,
    default_output_alternative_key: Any = None,
    strip_default_attrs: Any = None,
) -> ExportStrategy:
    """A strategy that exports a model where its evaluation is the best so far.

    Args:
      serving_input_fn, exports_to_keep, default_output_alternative_key, strip_default_attrs: as for
        `make_export_strategy`.
      model_dir: the estimator's folder, with `event_file_pattern`.
      event_file_pattern: files of events of earlier evaluations, under `model_dir`.
      compare_fn: as for `BestModelSelector`.
    """
    inner = make_export_strategy(
        serving_input_fn,
        default_output_alternative_key,
        exports_to_keep=exports_to_keep,
        strip_default_attrs=strip_default_attrs,
    )
    whole = os.path.join(model_dir, event_file_pattern) if model_dir and event_file_pattern else None
    selector = BestModelSelector(whole, compare_fn)

    def export_fn(
        estimator: Any, export_dir_base: Any, checkpoint_path: Any = None, eval_result: Any = None
    ) -> Any:
        if not checkpoint_path:
            checkpoint_path = latest_checkpoint(estimator.model_dir)
        best, _ = selector.update(checkpoint_path, eval_result)
        return inner.export(estimator, export_dir_base, best) if best and eval_result is not None else ""

    return ExportStrategy("best_model", export_fn)


@public("contrib.learn.utils.saved_model_export_utils.extend_export_strategy")
def extend_export_strategy(
    base_export_strategy: ExportStrategy,
    post_export_fn: Callable[[Any, Any], Any],
    post_export_name: str | None = None,
) -> ExportStrategy:
    """A strategy that goes on with what another exports.

    Args:
      base_export_strategy: the other.
      post_export_fn: takes the other's export and a folder; gives a folder in it, which becomes the export.
      post_export_name: the strategy's name; default, the other's.
    """

    def export_fn(estimator: Any, export_dir_base: Any, checkpoint_path: Any = None) -> Any:
        base, stamp = os.fsdecode(export_dir_base), int(time.time())
        first, second = (os.path.join(base, f"temp-{what}-export-{stamp}") for what in ("base", "post"))
        if gfile.exists(first) or gfile.exists(second):
            raise RuntimeError(f"A folder for what is not ready yet exists. Received: {first}, {second}")
        given = base_export_strategy.export(estimator, first, checkpoint_path)
        made = os.fsdecode(post_export_fn(given, second))
        if not made.startswith(second):
            raise RuntimeError(f"post_export_fn must return a sub-directory of {second}. Received: {made}")
        final = os.path.join(base, os.path.relpath(made, second))
        if gfile.exists(final):
            raise RuntimeError(f"Failed to obtain final export directory. Received: {final}")
        gfile.rename(made, final)
        for folder in (first, second):
            if gfile.exists(folder):
                gfile.rmtree(folder)
        return final

    return ExportStrategy(post_export_name or base_export_strategy.name, export_fn)
