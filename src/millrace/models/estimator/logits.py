"""The logits of canned models: a linear model, and a deep network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.layers.core import Dense, Dropout
from millrace.lib.layers.normalization import BatchNormalization
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.summary.operations import histogram, scalar
from millrace.lib.variables.initializers import GlorotUniform, Zeros
from millrace.lib.variables.partitioned import min_max_variable_partitioner
from millrace.lib.variables.scope import AUTO_REUSE, get_variable_scope, variable_scope
from millrace.models.estimator.modes import ModeKeys
from millrace.models.feature_columns.base import FeatureCache, sorted_columns
from millrace.models.feature_columns.dense import SharedEmbeddingColumn
from millrace.models.feature_columns.input_layer import Recorder, dense_columns, flattened, input_layer
from millrace.models.feature_columns.linear_model import (
    linear_columns,
    linear_sum,
    weighted_sum,
    weights_shape,
)
from millrace.ops.array.concat import concat
from millrace.ops.math.arithmetic import add_n
from millrace.ops.nn.bias import bias_add

_ZEROS = Zeros()


def _parts(variable: Any) -> list[Any]:
    if isinstance(variable, list):
        return variable
    return list(variable) if hasattr(variable, "_get_partitions") else [variable]


@public("estimator.experimental.linear_logit_fn_builder", "contrib.estimator.linear_logit_fn_builder")
def linear_logit_fn_builder(
    units: int, feature_columns: Any, sparse_combiner: str = "sum"
) -> Callable[[Any], Any]:
    """A function from features to the logits of a linear model.

    Args:
      units: how many logits.
      feature_columns: dense and categorical columns.
      sparse_combiner: what is done with the weights of several categories.
    """

    def logit_fn(features: Any) -> Any:
        return summarized_linear_logits(features, feature_columns, units, sparse_combiner)[0]

    return logit_fn


def summarized_linear_logits(
    features: Any, feature_columns: Any, units: int, sparse_combiner: str
) -> tuple[Any, dict[Any, Any], Any]:
    """The logits of a linear model, with summaries.

    Args:
      features: from keys to tensors.
      feature_columns: dense and categorical columns.
      units: how many logits.
      sparse_combiner: what is done with the weights of several categories.

    Returns:
      float32 `[batch, units]`, the weights by column, and the variable of the bias.
    """
    columns = sorted_columns(linear_columns(feature_columns))
    if _any_shares(columns):
        recorder = Recorder(None, True)
        total, made = linear_sum(features, columns, units, sparse_combiner, recorder, "linear_model")
        bias = made.pop("bias")[0]
        _summarize_linear(units, list(made.values()), bias)
        return total, made, bias
    maker = Recorder(None, True)
    weights = {}
    with variable_scope("linear_model", use_resource=True) as scope:
        for column in columns:
            with variable_scope(column.var_scope_name):
                if hasattr(column, "create_variables"):
                    column.create_variables(maker)
                weights[column] = maker.make(
                    column,
                    "weights",
                    shape=weights_shape(column, units),
                    dtype=float32,
                    initializer=_ZEROS,
                )
        bias = maker.make(columns[0], "bias_weights", shape=[units], dtype=float32, initializer=_ZEROS)
    total = _sum_of(features, columns, weights, bias, sparse_combiner, scope)
    _summarize_linear(units, [weights[c] for c in columns], bias)
    return total, weights, bias


def _sum_of(features: Any, columns: Any, weights: Any, bias: Any, combiner: str, scope: Any) -> Any:
    cache, sums = FeatureCache(features), []
    maker = Recorder(None, True)
    with (
        variable_scope(scope, reuse=AUTO_REUSE, auxiliary_name_scope=False),
        name_scope(scope.original_name_scope),
        name_scope("linear_model"),
        name_scope("linear_model"),
    ):
        for column in columns:
            with (
                variable_scope(column.var_scope_name, auxiliary_name_scope=False),
                name_scope(column.name),
            ):
                sums.append(weighted_sum(column, cache, maker, weights[column], combiner))
        total = add_n(sums, name="weighted_sum_no_bias")
        return bias_add(total, bias, name="weighted_sum")


def _summarize_linear(units: int, weights: list[Any], bias: Any) -> None:
    """The bias, and which share of the weights is zero."""
    parts = _parts(bias)
    if units > 1:
        histogram("bias", parts[0] if len(parts) == 1 else concat(parts, 0))
    else:
        scalar("bias", (parts[0] if len(parts) == 1 else concat(parts, 0))[0])
    with name_scope("zero_fraction"):
        all_parts = [part for weight in weights for part in _parts(weight)]
        zeros = [zero_fraction(part) * float(part.get_shape().num_elements()) for part in all_parts]
        size = float(sum(part.get_shape().num_elements() for part in all_parts))
        share = add_n(zeros) / size
    scalar("fraction_of_zero_weights", share)


@public("python.estimator.canned.dnn._add_hidden_layer_summary")
def summarize_layer(value: Any, tag: str) -> None:
    """Summaries of a layer: its share of zeros and its values."""
    scalar(f"{tag}/fraction_of_zero_values", zero_fraction(value))
    histogram(f"{tag}/activation", value)


@public("estimator.experimental.dnn_logit_fn_builder", "contrib.estimator.dnn_logit_fn_builder")
def dnn_logit_fn_builder(
    units: int,
    hidden_units: Any,
    feature_columns: Any,
    activation_fn: Any,
    dropout: Any,
    input_layer_partitioner: Any,
    batch_norm: bool,
) -> Callable[..., Any]:
    """A function from features and a mode to the logits of a deep network.

    Args:
      units: how many logits.
      hidden_units: how many units each hidden layer has.
      feature_columns: dense columns.
      activation_fn: of the hidden layers.
      dropout: the share of units that training leaves out, or None.
      input_layer_partitioner: of the tables of embeddings.
      batch_norm: normalize after each hidden layer.

    Raises:
      ValueError: `units` is not a number.
    """
    if not isinstance(units, int):
        raise ValueError(f"units must be an int.  Given type: {type(units)}")

    def logit_fn(features: Any, mode: str) -> Any:
        training = mode == ModeKeys.TRAIN
        scope_name = get_variable_scope().name
        net = _input(features, feature_columns, input_layer_partitioner)
        for number, width in enumerate(hidden_units):
            name = f"hiddenlayer_{number}"
            net = Dense(
                width,
                activation=activation_fn,
                kernel_initializer=GlorotUniform(),
                name=name,
                _scope=name,
            )(net)
            if dropout is not None and training:
                net = Dropout(rate=dropout)(net, training=True)
            if batch_norm:
                with variable_scope(name, auxiliary_name_scope=False), name_scope(name):
                    norm = f"batchnorm_{number}"
                    layer = BatchNormalization(momentum=0.999, name=norm, _scope=norm)
                net = layer(net, training=training)
            summarize_layer(net, f"{scope_name}/{name}" if scope_name else name)
        logits = Dense(units, kernel_initializer=GlorotUniform(), name="logits", _scope="logits")(net)
        summarize_layer(logits, f"{scope_name}/logits" if scope_name else "logits")
        return logits

    return logit_fn


def _any_shares(columns: Any) -> bool:
    """Whether a table of embeddings belongs to several columns; then the graph is the older one."""
    return any(isinstance(column, SharedEmbeddingColumn) for column in columns)


def _input(features: Any, feature_columns: Any, partitioner: Any) -> Any:
    columns = sorted_columns(dense_columns(feature_columns))
    cache, maker, tensors = FeatureCache(features), Recorder(None, True), []
    with variable_scope("input_from_feature_columns", partitioner=partitioner):
        if _any_shares(columns):
            with variable_scope(get_variable_scope(), use_resource=False, auxiliary_name_scope=False):
                return input_layer(features, columns)
        with variable_scope("input_layer") as scope:
            for column in columns:
                with variable_scope(column.var_scope_name):
                    column.create_variables(maker)
        with (
            variable_scope(scope, reuse=AUTO_REUSE, auxiliary_name_scope=False),
            name_scope(scope.original_name_scope),
        ):
            for column in columns:
                with (
                    variable_scope(column.var_scope_name, auxiliary_name_scope=False),
                    name_scope(column.name),
                ):
                    tensor = column.dense(cache, maker)
                    tensors.append(flattened(tensor, column.variable_shape.num_elements()))
            return concat(tensors, 1)


def default_partitioner(config: Any, smallest: int | None = None) -> Any:
    """Splits large variables over the parameter servers."""
    replicas = config.num_ps_replicas if config else 0
    if smallest is None:
        return min_max_variable_partitioner(max_partitions=replicas)
    return min_max_variable_partitioner(max_partitions=replicas, min_slice_size=smallest)


@public("estimator.experimental.call_logit_fn", "contrib.estimator.call_logit_fn")
def call_logit_fn(logit_fn: Any, features: Any, mode: str, params: Any, config: Any) -> Any:
    """Calls a function for logits with those of the arguments that it names.

    Raises:
      ValueError: it gives neither a tensor nor a dict of tensors.
    """
    names = inspect.signature(logit_fn).parameters
    optional = {"mode": mode, "params": params, "config": config}
    given = {name: value for name, value in optional.items() if name in names}
    found = logit_fn(features=features, **given)
    for value in found.values() if isinstance(found, dict) else [found]:
        if not hasattr(value, "get_shape"):
            raise ValueError(f"logit_fn should return a Tensor or a dictionary of Tensors. Received: {found}")
    return found
