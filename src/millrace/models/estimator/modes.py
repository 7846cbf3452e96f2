"""`ModeKeys`: what a model function is asked for."""

from __future__ import annotations

from typing import ClassVar

from millrace.core.public import public


@public("estimator.ModeKeys", "python.estimator.model_fn.ModeKeys")
class ModeKeys:
    """The three modes: training, evaluation, prediction."""

    TRAIN: ClassVar[str] = "train"
    EVAL: ClassVar[str] = "eval"
    PREDICT: ClassVar[str] = "infer"


LOSS_METRIC_KEY = public("python.estimator.model_fn.LOSS_METRIC_KEY")("loss")
AVERAGE_LOSS_METRIC_KEY = public("python.estimator.model_fn.AVERAGE_LOSS_METRIC_KEY")("average_loss")
