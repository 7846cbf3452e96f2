"""`tf.contrib.learn`: what predictions and problems are called."""

from __future__ import annotations

from typing import ClassVar

from millrace.core.public import public


@public("contrib.learn.PredictionKey", "contrib.learn.python.learn.estimators.prediction_key.PredictionKey")
class PredictionKey:
    """The names under which estimators give their predictions."""

    CLASSES: ClassVar[str] = "classes"
    PROBABILITIES: ClassVar[str] = "probabilities"
    LOGITS: ClassVar[str] = "logits"
    LOGISTIC: ClassVar[str] = "logistic"
    SCORES: ClassVar[str] = "scores"
    TOP_K: ClassVar[str] = "top_k"
    GENERIC: ClassVar[str] = "output"


@public("contrib.learn.ProblemType", "contrib.learn.python.learn.estimators.constants.ProblemType")
class ProblemType:
    """The kinds of problems that a model solves."""

    UNSPECIFIED: ClassVar[int] = 0
    CLASSIFICATION: ClassVar[int] = 1
    LINEAR_REGRESSION: ClassVar[int] = 2
    LOGISTIC_REGRESSION: ClassVar[int] = 3


@public("contrib.learn.python.learn.estimators.rnn_common.PredictionType")
class PredictionType:
    """What a recurrent model predicts: one value for a sequence, or one for each step."""

    SINGLE_VALUE: ClassVar[int] = 1
    MULTIPLE_VALUE: ClassVar[int] = 2


@public("contrib.learn.python.learn.estimators.rnn_common.RNNKeys")
class RNNKeys:
    """The names of a recurrent model's features and predictions."""

    SEQUENCE_LENGTH_KEY: ClassVar[str] = "sequence_length"
    STATE_PREFIX: ClassVar[str] = "rnn_cell_state"
    LABELS_KEY: ClassVar[str] = "__labels__"
    FINAL_STATE_KEY: ClassVar[str] = "final_state"


@public("contrib.learn.NotFittedError")
class NotFittedError(ValueError, AttributeError):
    """An estimator is used before it has been trained."""
