"""Several heads of `tf.contrib.learn` as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.learn.heads.base import Head, SingleHead, no_op_train_fn
from millrace.contributed.learn.heads.numbers import LossOnlyHead
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.border import bordered
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.ops.array.slicing import slice_
from millrace.ops.math.arithmetic import add_n, multiply


class MultiHead(Head):
    """Heads that share the logits, or the layer of which they make them.

    Args:
      heads: the heads.
      loss_weights: what their losses weigh in the sum; None: 1 each.
    """

    def __init__(self, heads: Sequence[Any], loss_weights: Sequence[float] | None) -> None:
        self._heads, self._loss_weights = tuple(heads), loss_weights

    @property
    def logits_dimension(self) -> int:
        """Of all heads together."""
        return sum(head.logits_dimension for head in self._heads)

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
        """As every head's; predictions are named by pairs of the head's name and theirs."""
        if logits is None and logits_input is None:
            raise ValueError("Either logits or logits_input must be set. Received: None and None")
        if logits is not None and logits_input is not None:
            raise ValueError(f"Both logits and logits_input supplied. Received: {logits} and {logits_input}")
        parts = [None] * len(self._heads) if logits is None else self._split(logits)
        found = [
            head.create_model_fn_ops(
                features, mode, labels, no_op_train_fn, part, logits_input, head.head_name
            )
            for head, part in zip(self._heads, parts, strict=True)
        ]
        if mode == "train":
            return self._merged_training(found, train_op_fn)
        return self._merged_inference(found) if mode == "infer" else self._merged_evaluation(found)

    def _split(self, logits: Any) -> list[Any]:
        begin, parts = 0, []
        for head in self._heads:
            parts.append(slice_(logits, [0, begin], [-1, head.logits_dimension]))
            begin += head.logits_dimension
        return parts

    def _loss(self, losses: list[Any]) -> Any:
        weights = self._loss_weights
        if weights:
            losses = [multiply(loss, weight) for loss, weight in zip(losses, weights, strict=True)]
        return add_n(losses)

    def _merged_training(self, found: list[ModelFnOps], train_op_fn: Any) -> ModelFnOps:
        if train_op_fn is None:
            raise ValueError("train_op_fn can not be None in TRAIN mode. Received: None")
        loss = self._loss([ops.loss for ops in found])
        step = group(train_op_fn(loss), *[ops.train_op for ops in found])
        metrics = {key: pair for ops in found for key, pair in ops.eval_metric_ops.items()}
        return ModelFnOps("train", None, loss, step, metrics)

    def _named(self, found: list[ModelFnOps]) -> dict[Any, Any]:
        return {
            (head.head_name, key): value
            for head, ops in zip(self._heads, found, strict=True)
            for key, value in (ops.predictions or {}).items()
        }

    def _merged_inference(self, found: list[ModelFnOps]) -> ModelFnOps:
        outputs = {name: pair for ops in found for name, pair in (ops.output_alternatives or {}).items()}
        return ModelFnOps("infer", self._named(found), output_alternatives=outputs)

    def _merged_evaluation(self, found: list[ModelFnOps]) -> ModelFnOps:
        loss = self._loss([ops.loss for ops in found])
        metrics = {key: pair for ops in found for key, pair in ops.eval_metric_ops.items()}
        return ModelFnOps("eval", self._named(found), loss, eval_metric_ops=metrics)


@public("contrib.learn.multi_head", "contrib.learn.head.multi_head")
@bordered
def multi_head(heads: Sequence[Any], loss_weights: Sequence[float] | None = None) -> Head:
    """Several heads as one.

    Args:
      heads: heads with names, not such as come from here.
      loss_weights: what their losses weigh in the sum; default: 1 each.

    Raises:
      ValueError: a head is not allowed or has no name, or the weights are not as many.
    """
    if loss_weights and len(loss_weights) != len(heads):
        raise ValueError(
            f"heads and loss_weights must have same size. Received: {len(heads)} and {len(loss_weights)}"
        )
    for head in heads:
        if not isinstance(head, SingleHead | LossOnlyHead):
            raise ValueError(f"Members of MultiHead must be SingleHead. Received: {head}")
        if not head.head_name:
            raise ValueError(f"Members of MultiHead must have names. Received: {head}")
    return MultiHead(heads, loss_weights)
