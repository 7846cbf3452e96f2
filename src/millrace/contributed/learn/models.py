"""`tf.contrib.learn`: deep and linear models of older feature columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from millrace.autodiff.gradients import gradients
from millrace.building.scopes import control_dependencies
from millrace.contributed.layers.columns.models import (
    input_from_feature_columns,
    joint_weighted_sum_from_feature_columns,
    weighted_sum_from_feature_columns,
)
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.layers.shapes import dropout as dropped
from millrace.contributed.training.train_ops import optimize_loss
from millrace.graph.defaults import get_default_graph
from millrace.lib.flow.control_flow import group
from millrace.lib.linalg.norms import clip_by_global_norm
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.summary.operations import histogram, scalar
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.partitioned import min_max_variable_partitioner
from millrace.lib.variables.scope import variable_scope
from millrace.training.global_step import get_global_step
from millrace.training.optimizers.adagrad import AdagradOptimizer
from millrace.training.optimizers.ftrl import FtrlOptimizer

_SLICE = 64 << 20
_DEEP_RATE, _LINEAR_RATE = 0.05, 0.2


def named_features(features: Any) -> dict[Any, Any]:
    """Features by name; one tensor's name is empty."""
    return dict(features) if isinstance(features, dict) else {"": features}


def _summarized(value: Any, tag: str) -> None:
    scalar(f"{tag}_fraction_of_zero_values", zero_fraction(value))
    histogram(f"{tag}_activation", value)


def _partitioner(config: Any, slice_size: int | None = None) -> Any:
    parts = max(1, config.num_ps_replicas or 0)
    if slice_size is None:
        return min_max_variable_partitioner(max_partitions=parts)
    return min_max_variable_partitioner(max_partitions=parts, min_slice_size=slice_size)


def deep_logits(
    features: dict[Any, Any],
    columns: Sequence[Any],
    hidden_units: Sequence[int],
    outputs: int,
    activation_fn: Callable[..., Any] | None,
    dropout: float | None,
    training: bool,
    config: Any,
    slice_size: int | None = None,
    partitioner: Any = None,
) -> Any:
    """The logits of a deep model, built in the current scope, which is called "dnn"."""
    values = list(features.values())
    partitioner = partitioner or _partitioner(config, slice_size or _SLICE)
    with variable_scope("input_from_feature_columns", values=values, partitioner=partitioner) as scope:
        net = input_from_feature_columns(
            columns_to_tensors=features, feature_columns=columns, weight_collections=["dnn"], scope=scope
        )
    for number, units in enumerate(hidden_units):
        with variable_scope(f"hiddenlayer_{number}", values=[net]) as scope:
            net = fully_connected(
                net, units, activation_fn=activation_fn, variables_collections=["dnn"], scope=scope
            )
            if dropout is not None and training:
                net = dropped(net, keep_prob=1.0 - dropout)
        _summarized(net, scope.name)
    with variable_scope("logits", values=[net]) as scope:
        logits = fully_connected(net, outputs, activation_fn=None, variables_collections=["dnn"], scope=scope)
    _summarized(logits, scope.name)
    return logits


def linear_logits(
    features: dict[Any, Any], columns: Sequence[Any], outputs: int, joint: bool, scope: Any
) -> Any:
    """The logits of a linear model, in the scope "linear"."""
    build = joint_weighted_sum_from_feature_columns if joint else weighted_sum_from_feature_columns
    logits, _, _ = build(
        columns_to_tensors=features,
        feature_columns=columns,
        num_outputs=outputs,
        weight_collections=["linear"],
        scope=scope,
    )
    return logits


def _optimizer(given: Any, default: Callable[[], Any]) -> Any:
    if given is None:
        return default()
    return given() if callable(given) and not hasattr(given, "apply_gradients") else given


def _multipliers(by_column: dict[Any, float] | None) -> dict[Any, float] | None:
    """Factors of the gradients of tables, from those of their columns.

    Raises:
      ValueError: a column has no table.
    """
    if not by_column:
        return None
    found: dict[Any, float] = {}
    variables = get_default_graph().get_collection("dnn")
    for column, factor in by_column.items():
        if not hasattr(column, "dimension"):
            raise ValueError(
                "a learning rate multiplier may be given for an embedding column only. "
                f"Received: {column} ({type(column).__name__})"
            )
        part = f"input_from_feature_columns/{column.name}/"
        found.update({v: factor for v in variables if part in v.op.name})
    return found


def _linear_rate(columns: Sequence[Any]) -> float:
    return min(_LINEAR_RATE, 1.0 / math.sqrt(len(columns)))


def deep_model(head: Any, columns: Sequence[Any], given: dict[str, Any], config: Any) -> Callable[..., Any]:
    """The model function of a deep model.

    Args:
      head: what is done with the logits.
      columns: feature columns.
      given: hidden_units, optimizer, activation_fn, dropout, gradient_clip_norm, multipliers (of embeddings'
        gradients, by column), slice_size (the smallest part of a table).
      config: the run's configuration.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        features = named_features(features)
        optimizer = _optimizer(given["optimizer"], lambda: AdagradOptimizer(learning_rate=_DEEP_RATE))
        with variable_scope("dnn", values=list(features.values()), partitioner=_partitioner(config)):
            logits = deep_logits(
                features, columns, given["hidden_units"], head.logits_dimension, given["activation_fn"],
                given["dropout"], mode == "train", config, given["slice_size"],
            )  # fmt: skip

            def train_op_fn(loss: Any) -> Any:
                return optimize_loss(
                    loss, get_global_step(), _DEEP_RATE, optimizer,
                    gradient_multipliers=_multipliers(given["multipliers"]),
                    clip_gradients=given["gradient_clip_norm"], name="dnn", summaries=[],
                )  # fmt: skip

            return head.create_model_fn_ops(features, mode, labels, train_op_fn, logits)

    return model_fn


def linear_model(head: Any, columns: Sequence[Any], given: dict[str, Any], config: Any) -> Callable[..., Any]:
    """The model function of a linear model.

    Args:
      head: what is done with the logits.
      columns: feature columns.
      given: optimizer, gradient_clip_norm, joint_weights.
      config: the run's configuration.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        features = named_features(features)
        default = lambda: FtrlOptimizer(learning_rate=_linear_rate(columns))  # noqa: E731
        optimizer = _optimizer(given["optimizer"], default)
        values = list(features.values())
        with variable_scope("linear", values=values, partitioner=_partitioner(config, _SLICE)) as scope:
            logits = linear_logits(features, columns, head.logits_dimension, given["joint_weights"], scope)

            def train_op_fn(loss: Any) -> Any:
                variables = get_default_graph().get_collection("linear")
                found = gradients(loss, variables)
                if given["gradient_clip_norm"]:
                    found, _ = clip_by_global_norm(found, given["gradient_clip_norm"])
                pairs = list(zip(found, variables, strict=True))
                return optimizer.apply_gradients(pairs, global_step=get_global_step())

            return head.create_model_fn_ops(features, mode, labels, train_op_fn, logits)

    return model_fn


def combined_model(
    head: Any, linear_columns: Any, deep_columns: Any, given: dict[str, Any], config: Any
) -> Callable[..., Any]:
    """The model function of a linear and a deep model, whose logits are added.

    Args:
      head: what is done with the logits.
      linear_columns, deep_columns: feature columns; one of them may be None.
      given: hidden_units, linear_optimizer, dnn_optimizer, activation_fn, dropout, gradient_clip_norm,
        joint_weights, one_increment, multipliers, slice_size, partitioner (of tables and linear weights).
      config: the run's configuration.
    """

    def deep(features: Any, mode: str) -> Any:
        with variable_scope("dnn", values=list(features.values()), partitioner=_partitioner(config)):
            return deep_logits(
                features, deep_columns, given["hidden_units"], head.logits_dimension,
                given["activation_fn"], given["dropout"], mode == "train", config, given["slice_size"],
                given["partitioner"],
            )  # fmt: skip

    def linear(features: Any) -> Any:
        values = list(features.values())
        partitioner = given["partitioner"] or _partitioner(config, _SLICE)
        with variable_scope("linear", values=values, partitioner=partitioner) as scope:
            logits = linear_logits(
                features, linear_columns, head.logits_dimension, given["joint_weights"], scope
            )
        _summarized(logits, scope.name)
        return logits

    def part(loss: Any, name: str, rate: float, optimizer: Any) -> Any:
        factors = _multipliers(given["multipliers"]) if name == "dnn" else None
        return optimize_loss(
            loss, get_global_step(), rate, optimizer, gradient_multipliers=factors,
            clip_gradients=given["gradient_clip_norm"],
            variables=get_default_graph().get_collection(name), name=name, summaries=[],
            increment_global_step=not given["one_increment"],
        )  # fmt: skip

    def train_op_fn(loss: Any) -> Any:
        steps = []
        if deep_columns:
            optimizer = _optimizer(given["dnn_optimizer"], lambda: AdagradOptimizer(_DEEP_RATE))
            steps.append(part(loss, "dnn", _DEEP_RATE, optimizer))
        if linear_columns:
            rate = _linear_rate(linear_columns)
            optimizer = _optimizer(given["linear_optimizer"], lambda: FtrlOptimizer(rate))
            steps.append(part(loss, "linear", rate, optimizer))
        step = group(*steps)
        if not given["one_increment"]:
            return step
        with control_dependencies([step]):
            return assign_add(get_global_step(), 1).op

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        features = named_features(features)
        shares = [deep(features, mode)] if deep_columns else []
        if linear_columns:
            shares.append(linear(features))
        logits = shares[0] if len(shares) == 1 else shares[0] + shares[1]
        return head.create_model_fn_ops(features, mode, labels, train_op_fn, logits)

    return model_fn
