"""What all heads of `tf.contrib.learn` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.border import bordered
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.metrics.means import mean
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.variable import Variable
from millrace.ops.array import constant
from millrace.ops.array.constant import zeros
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.nn.bias import bias_add
from millrace.training.optimizers.adagrad import AdagradOptimizer

_BIAS_RATE = 0.1


@public("contrib.learn.Head", "contrib.learn.head.Head")
@bordered
class Head:
    """Makes a model's predictions, loss, step of training and metrics of its logits."""

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has."""
        raise TypeError(f"{type(self).__name__} must define logits_dimension")

    def create_model_fn_ops(
        self,
        features: Any,
        mode: str,
        labels: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        logits: Any = None,
        logits_input: Any = None,
        scope: Any = None,
    ) -> ModelFnOps:
        """The model in one mode.

        Args:
          features: tensors by name.
          mode: a `ModeKeys`.
          labels: a tensor, or tensors by name; None for inference.
          train_op_fn: makes the operation that trains of the loss; needed for training.
          logits: `[batch, logits_dimension]`.
          logits_input: a layer of which the head makes the logits; instead of `logits`.
          scope: a variable scope; default, one of the head's name.

        Raises:
          ValueError: something that the mode needs is missing, or given twice.
        """
        raise TypeError(f"{type(self).__name__} must define create_model_fn_ops")


@public("contrib.learn.no_op_train_fn", "contrib.learn.head.no_op_train_fn")
@bordered
def no_op_train_fn(loss: Any) -> Any:
    """An operation that does nothing, for heads whose loss another one trains.

    Args:
      loss: not looked at.
    """
    del loss
    return constant.no_op()


class Labels(NamedTuple):
    """The labels of a batch as the program gives them, and as numbers."""

    given: Any
    numbers: Any


class SingleHead(Head):
    """A head with one loss.

    Args:
      problem_type: a `ProblemType`.
      logits_dimension: how many logits an example has.
      label_name: which of the labels; None where they are one tensor.
      weight_column_name: the feature that weighs the examples; None: all weigh 1.
      enable_centered_bias: whether a bias of its own is learnt.
      head_name: behind the names of metrics, and the name of the scope.
      default_name: of the scope, where there is no `head_name`.
    """

    def __init__(
        self,
        problem_type: int,
        logits_dimension: int,
        label_name: str | None,
        weight_column_name: str | None,
        enable_centered_bias: bool,
        head_name: str | None,
        default_name: str,
    ) -> None:
        self._problem_type, self._logits_dimension = problem_type, logits_dimension
        self._label_name, self._weight_column_name = label_name, weight_column_name
        self._centered, self._head_name = enable_centered_bias, head_name
        self._scope_name = head_name or default_name

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has."""
        return self._logits_dimension

    @property
    def head_name(self) -> str | None:
        """Behind the names of metrics."""
        return self._head_name

    def predictions(self, logits: Any) -> dict[str, Any]:
        """The predictions by name."""
        raise TypeError(f"{type(self).__name__} must define predictions")

    def losses(self, logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        """The loss to train, and the weighted mean of the examples' losses."""
        raise TypeError(f"{type(self).__name__} must define losses")

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """Pairs of value and update by name, but for the loss."""
        del predictions, labels, weights
        return {}

    def exported(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """The predictions that an export has."""
        return predictions

    def labels_of(self, labels: Any) -> Labels:
        """The labels of the batch, one tensor."""
        given = dense(chosen(labels, self._label_name))
        return Labels(given, given)

    def key(self, name: str) -> str:
        """A metric's name with the head's behind it."""
        return f"{name}/{self._head_name}" if self._head_name else name

    def create_model_fn_ops(
        self,
        features: Any,
        mode: str,
        labels: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        logits: Any = None,
        logits_input: Any = None,
        scope: Any = None,
    ) -> ModelFnOps:
        """As every head's."""
        given = [*features.values()] if isinstance(features, dict) else []
        with variable_scope(scope, default_name=self._scope_name, values=given):
            known = None if labels is None or mode == "infer" else self.labels_of(labels)
            logits = the_logits(logits_input, logits, self._logits_dimension)
            bias = self._bias() if self._centered else None
            if bias is not None:
                logits = bias_add(logits, bias)
            with name_scope("predictions", values=[logits]):
                predictions = self.predictions(logits)
            loss = step = metrics = None
            if known is not None:
                labels = known.numbers
                weights = weight_tensor(features, self._weight_column_name)
                loss, average = self.losses(logits, labels, weights)
                self._summarized(loss)
                if mode == "train":
                    step = self._step(loss, labels, train_op_fn, bias, shape(logits)[0], weights)
                with name_scope("metrics", values=[average, labels]):
                    metrics = {self.key("loss"): mean(average), **self.metrics(predictions, known, weights)}
            outputs = {self._head_name: (self._problem_type, self.exported(predictions))}
            return ModelFnOps(mode, predictions, loss, step, metrics, outputs)

    def _summarized(self, loss: Any) -> None:
        """Notes the loss, in training and in evaluation under one tag."""
        with name_scope(None):
            scalar(self.key("loss"), constant.identity(loss))

    def _bias(self) -> Any:
        width = self._logits_dimension
        bias = Variable(
            zeros([width]),
            collections=[GraphKeys.TRAINABLE_VARIABLES, GraphKeys.GLOBAL_VARIABLES],
            name="centered_bias_weight",
        )
        for number in range(width):
            scalar(self.key(f"centered_bias/bias_{number}"), bias[number])
        return bias

    def _step(self, loss: Any, labels: Any, make: Any, bias: Any, batch: Any, weights: Any) -> Any:
        if make is None:
            raise ValueError("train_op_fn can not be None in TRAIN mode. Received: None")
        centred = None if bias is None else self._bias_step(bias, labels, batch, weights)
        with name_scope(None, "train_op", [loss, labels]):
            step = make(loss)
            return step if centred is None else group(step, centred)

    def _bias_step(self, bias: Any, labels: Any, batch: Any, weights: Any) -> Any:
        with name_scope(None, "centered_bias_step", [labels]) as name:
            width = shape(bias)[0]
            logits = reshape(tile(bias, (batch,)), (batch, width))
            with name_scope(None, "centered_bias", [labels, logits]):
                loss = reduce_mean(self.losses(logits, labels, weights), name="training_loss")
        return AdagradOptimizer(_BIAS_RATE).minimize(loss, var_list=[bias], name=name)


def the_logits(logits_input: Any, logits: Any, width: int) -> Any:
    """The logits that are given, or made of a layer.

    Raises:
      ValueError: neither is given, or both.
    """
    if logits is None and logits_input is None:
        raise ValueError("Neither logits nor logits_input supplied. Received: None and None")
    if logits is not None and logits_input is not None:
        raise ValueError(f"Both logits and logits_input supplied. Received: {logits} and {logits_input}")
    if logits is not None:
        found = to_tensor(logits)
        found.shape.with_rank(2).assert_is_compatible_with([None, width])
        return found
    return fully_connected(logits_input, width, activation_fn=None, scope="logits")


def weight_tensor(features: Any, name: str | None) -> Any:
    """The weights of the examples as floats, or None."""
    if not name:
        return None
    with name_scope("weight_tensor"):
        return cast(features[name], float32)


def chosen(labels: Any, name: str | None) -> Any:
    """One of the labels.

    Raises:
      KeyError: labels have names, and none is `name`.
    """
    found = labels[name] if isinstance(labels, dict) else labels
    return found if isinstance(found, SparseTensor) else to_tensor(found)


def dense(labels: Any) -> Any:
    """The labels, which must not be sparse.

    Raises:
      ValueError: they are.
    """
    if isinstance(labels, SparseTensor):
        raise ValueError(f"SparseTensor is not supported as labels. Received: {labels}")
    return labels


def weighted(losses: Any, weights: Any) -> tuple[Any, Any]:
    """The mean of weighted losses, and the mean by weight; one and the same without weights."""
    with name_scope("loss", values=[losses, weights]) as name:
        if weights is None:
            loss = reduce_mean(losses, name=name)
            return loss, loss
        weights = broadcast_weights(weights, losses)
        heavy = raw.Mul(losses, weights, name="weighted_loss")
        loss = reduce_mean(heavy, name=name)
        return loss, raw.RealDiv(reduce_sum(heavy), reduce_sum(weights), name="weighted_average_loss")
