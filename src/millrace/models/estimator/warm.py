"""`WarmStartSettings`: which variables of another checkpoint a model begins with."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from millrace.core.public import public
from millrace.lib.platform import log
from millrace.saver.checkpoint.warm_start import warm_start
from millrace.saver.saved_model.loader import contains_saved_model


class _Settings(NamedTuple):
    ckpt_to_initialize_from: Any
    vars_to_warm_start: Any = ".*"
    var_name_to_vocab_info: Any = None
    var_name_to_prev_var_name: Any = None


@public("estimator.WarmStartSettings")
class WarmStartSettings(_Settings):
    """Which variables of another checkpoint a model begins with.

    Args:
      ckpt_to_initialize_from: the checkpoint, or the folder whose newest is taken.
      vars_to_warm_start: which, as for `tf.train.warm_start`.
      var_name_to_vocab_info: the vocabularies of some, by name.
      var_name_to_prev_var_name: the names of some in the checkpoint, where they differ.

    Raises:
      ValueError: there is no checkpoint.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        ckpt_to_initialize_from: Any,
        vars_to_warm_start: Any = ".*",
        var_name_to_vocab_info: Any = None,
        var_name_to_prev_var_name: Any = None,
    ) -> WarmStartSettings:
        if not ckpt_to_initialize_from:
            raise ValueError("`ckpt_to_initialize_from` MUST be set in WarmStartSettings")
        return super().__new__(
            cls,
            ckpt_to_initialize_from,
            vars_to_warm_start,
            var_name_to_vocab_info or {},
            var_name_to_prev_var_name or {},
        )


def settings_of(given: Any) -> WarmStartSettings | None:
    """Settings, from settings or a path.

    Raises:
      ValueError: it is neither.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if isinstance(given, str | bytes | os.PathLike):
        if contains_saved_model(given):
            path = os.path.join(os.fsdecode(given), "variables", "variables")
            log.info("Warm-starting from a SavedModel")
            return WarmStartSettings(ckpt_to_initialize_from=path)
        return WarmStartSettings(ckpt_to_initialize_from=given)
    raise ValueError(f"warm_start_from must be a string or a WarmStartSettings, instead got {type(given)}")


def begin_with(settings: WarmStartSettings) -> None:
    """Makes the variables of the default graph begin with the checkpoint's."""
    warm_start(*settings)
