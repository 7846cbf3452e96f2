"""`tf.contrib.learn`: what predictions and problems are called."""

from __future__ import annotations

from typing import ClassVar

from millrace.core.public import public


@public("contrib.learn.PredictionKey")
class PredictionKey:
    """The names under which estimators give their predictions."""

    CLASSES: ClassVar[str] = "classes"
    PROBABILITIES: ClassVar[str] = "probabilities"
    LOGITS: ClassVar[str] = "logits"
    LOGISTIC: ClassVar[str] = "logistic"
    SCORES: ClassVar[str] = "scores"
    TOP_K: ClassVar[str] = "top_k"
    GENERIC: ClassVar[str] = "output"


@public("contrib.learn.ProblemType")
class ProblemType:
    """The kinds of problems that a model solves."""

    UNSPECIFIED: ClassVar[int] = 0
    CLASSIFICATION: ClassVar[int] = 1
    LINEAR_REGRESSION: ClassVar[int] = 2
    LOGISTIC_REGRESSION: ClassVar[int] = 3


@public("contrib.learn.NotFittedError")
class NotFittedError(ValueError, AttributeError):
    """An estimator is used before it has been trained."""
