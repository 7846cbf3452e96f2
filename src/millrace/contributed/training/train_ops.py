"""`tf.contrib.layers.optimize_loss` and `tf.contrib.slim.learning`: a training step in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.linalg.norms import clip_by_global_norm, clip_by_norm, global_norm
from millrace.lib.math.checks import assert_scalar
from millrace.lib.platform import log
from millrace.lib.summary.operations import histogram, scalar
from millrace.lib.variables.initializers import Constant
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.lib.variables.variable import Variable
from millrace.ops.flow.numeric_check import check_numerics
from millrace.ops.random.draws import truncated_normal
from millrace.training.global_step import assert_global_step, get_global_step, get_or_create_global_step
from millrace.training.optimizers.adagrad import AdagradOptimizer
from millrace.training.optimizers.adam import AdamOptimizer
from millrace.training.optimizers.ftrl import FtrlOptimizer
from millrace.training.optimizers.gradient_descent import GradientDescentOptimizer
from millrace.training.optimizers.momentum import MomentumOptimizer
from millrace.training.optimizers.optimizer import Optimizer
from millrace.training.optimizers.rmsprop import RMSPropOptimizer

OPTIMIZER_CLS_NAMES = public("contrib.layers.OPTIMIZER_CLS_NAMES", "contrib.slim.OPTIMIZER_CLS_NAMES")(
    {
        "Adagrad": AdagradOptimizer,
        "Adam": AdamOptimizer,
        "Ftrl": FtrlOptimizer,
        "Momentum": lambda learning_rate: MomentumOptimizer(learning_rate, momentum=0.9),
        "RMSProp": RMSPropOptimizer,
        "SGD": GradientDescentOptimizer,
    }
)
OPTIMIZER_SUMMARIES = public("contrib.layers.OPTIMIZER_SUMMARIES", "contrib.slim.OPTIMIZER_SUMMARIES")(
    ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]
)
# What `create_train_op` takes for "the graph's own step": None means that no step is counted.
_OWN_STEP: Final = 0
_Pairs = list[tuple[Any, Any]]


def _values(gradient: Any) -> Any:
    return gradient.values if isinstance(gradient, IndexedSlices) else gradient


def _with_values(gradient: Any, values: Any) -> Any:
    """A gradient of the same kind with other numbers."""
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return values


@public("contrib.slim.learning.clip_gradient_norms", "contrib.training.clip_gradient_norms")
def clip_gradient_norms(gradients_to_variables: Any, max_norm: Any) -> _Pairs:
    """The gradients, each scaled down to a Euclidean length of at most `max_norm`.

    Args:
      gradients_to_variables: pairs (gradient or None, variable).
      max_norm: a scalar.
    """
    return [
        (None if g is None else _with_values(g, clip_by_norm(_values(g), max_norm)), v)
        for g, v in gradients_to_variables
    ]


@public("contrib.slim.learning.multiply_gradients", "contrib.training.multiply_gradients")
def multiply_gradients(grads_and_vars: Any, gradient_multipliers: dict[Any, Any]) -> _Pairs:
    """The gradients, those of some variables multiplied.

    Args:
      grads_and_vars: pairs (gradient, variable).
      gradient_multipliers: scalars by variable or by its name.

    Raises:
      ValueError: there are no multipliers, or a gradient that is to be multiplied is None.
    """
    if not isinstance(gradient_multipliers, dict) or not gradient_multipliers:
        raise ValueError(
            f"gradient_multipliers is a dictionary with entries. Received: {gradient_multipliers}"
        )
    return _multiplied(grads_and_vars, gradient_multipliers, lambda variable: variable.op.name)


def _multiplied(grads_and_vars: Any, multipliers: dict[Any, Any], name_of: Callable[[Any], str]) -> _Pairs:
    """The gradients, those of variables multiplied that are there themselves or by their names."""
    found = []
    for gradient, variable in grads_and_vars:
        key = variable if variable in multipliers else name_of(variable)
        if key in multipliers:
            if gradient is None:
                raise ValueError(
                    f"a gradient to multiply must not be None. Received: that of {variable.op.name}"
                )
            factor = convert.to_tensor(multipliers[key], _values(gradient).dtype.base_dtype)
            gradient = _with_values(gradient, _values(gradient) * factor)
        found.append((gradient, variable))
    return found


@public("contrib.slim.learning.add_gradients_summaries", "contrib.training.add_gradients_summaries")
def add_gradients_summaries(grads_and_vars: Any) -> list[Tensor]:
    """Histograms of gradients and summaries of their lengths."""
    found = []
    for gradient, variable in grads_and_vars:
        if gradient is not None:
            values = _values(gradient)
            found.append(histogram(f"{variable.op.name}_gradient", values))
            found.append(scalar(f"{variable.op.name}_gradient_norm", global_norm([values])))
        else:
            log.info("Var %s has no gradient", variable.op.name)
    return found


@public("contrib.slim.learning.create_train_op")
def create_train_op(
    total_loss: Any,
    optimizer: Optimizer,
    global_step: Any = _OWN_STEP,
    update_ops: Any = None,
    variables_to_train: Any = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: int = Optimizer.GATE_OP,
    aggregation_method: int | None = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: dict[Any, Any] | None = None,
    check_numerics: bool = True,
) -> Tensor:
    """A tensor that does one step of training when it is computed, and is the loss.

    Args:
      total_loss: a floating scalar.
      optimizer: computes and applies the gradients.
      global_step: a variable to increase; default the graph's own; None for none.
      update_ops: operations that run before the loss; default those of UPDATE_OPS.
      variables_to_train: default all trainable ones.
      clip_gradient_norm: the greatest length of a gradient; 0 for any.
      summarize_gradients: add summaries of the gradients.
      gate_gradients, aggregation_method, colocate_gradients_with_ops: see `tf.train.Optimizer.minimize`.
      gradient_multipliers: scalars by variable or by its name.
      check_numerics: fail where the loss is not finite.
    """

    def transformed(pairs: Any) -> Any:
        if gradient_multipliers:
            with name_scope("multiply_grads"):
                pairs = multiply_gradients(pairs, gradient_multipliers)
        if clip_gradient_norm <= 0:
            return pairs
        with name_scope("clip_grads"):
            return clip_gradient_norms(pairs, clip_gradient_norm)

    return create_train_op_of(
        total_loss,
        optimizer,
        global_step,
        update_ops,
        variables_to_train,
        transformed,
        summarize_gradients,
        gate_gradients,
        aggregation_method,
        colocate_gradients_with_ops,
        check_numerics,
    )


@public("contrib.training.create_train_op")
def create_train_op_of(
    total_loss: Any,
    optimizer: Optimizer,
    global_step: Any = _OWN_STEP,
    update_ops: Any = None,
    variables_to_train: Any = None,
    transform_grads_fn: Callable[[Any], Any] | None = None,
    summarize_gradients: bool = False,
    gate_gradients: int = Optimizer.GATE_OP,
    aggregation_method: int | None = None,
    colocate_gradients_with_ops: bool = False,
    check_numerics: bool = True,
) -> Tensor:
    """A tensor that does one step of training when it is computed, and is the loss.

    Args:
      transform_grads_fn: from a list of gradients and variables to the one that is applied.
      total_loss, optimizer, global_step, update_ops, variables_to_train, summarize_gradients, gate_gradients,
        aggregation_method, colocate_gradients_with_ops, check_numerics: as for slim's `create_train_op`.

    Raises:
      AssertionError: there is nothing to train, or what is given is not trainable.
    """
    graph = get_default_graph()
    if global_step is _OWN_STEP:
        global_step = get_or_create_global_step()
    total_loss = convert.to_tensor(total_loss)
    collected = graph.get_collection(GraphKeys.UPDATE_OPS)
    updates = list(dict.fromkeys(collected if update_ops is None else update_ops))
    if not set(collected) <= set(updates):
        log.warning(
            "update_ops in create_train_op does not contain all the update_ops in GraphKeys.UPDATE_OPS"
        )
    if updates:
        with control_dependencies(updates):
            barrier = raw.NoOp(name="update_barrier")
        total_loss = with_dependencies([barrier], total_loss)
    trainable = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
    if variables_to_train is None:
        variables_to_train = trainable
    if not variables_to_train or any(v not in trainable for v in variables_to_train):
        raise AssertionError(
            f"create_train_op: variables_to_train must be trainable ones. Received: {variables_to_train}"
        )
    pairs = optimizer.compute_gradients(
        total_loss, variables_to_train, gate_gradients, aggregation_method, colocate_gradients_with_ops
    )
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if summarize_gradients:
        with name_scope("summarize_grads"):
            add_gradients_summaries(pairs)
    step = optimizer.apply_gradients(pairs, global_step=global_step)
    with name_scope("train_op"):
        if check_numerics:
            total_loss = _finite(total_loss)
        train_op = with_dependencies([step], total_loss)
    graph.add_to_collection(GraphKeys.TRAIN_OP, train_op)
    return train_op


def _finite(loss: Tensor) -> Tensor:
    return check_numerics(loss, "LossTensor is inf or nan")


@public("contrib.layers.optimize_loss", "contrib.slim.optimize_loss")
def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: dict[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Any = None,
    variables: Any = None,
    name: str | None = None,
    summaries: Any = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """A tensor that does one step of training when it is computed, and is the loss.

    Args:
      loss: a floating scalar.
      global_step: the step's variable; None for the graph's own, if it has one.
      learning_rate: a number, or a scalar tensor; None where the optimizer knows its own.
      optimizer: a name ("SGD", "Adam", ...), an optimizer, its class, or a function that makes one.
      gradient_noise_scale: the deviation of normal noise added to the gradients.
      gradient_multipliers: scalars by variable or by its name, `w:0`.
      clip_gradients: the greatest global length of the gradients, or a function from pairs to pairs.
      learning_rate_decay_fn: a function of the learning rate and the step that returns the rate to use.
      update_ops: operations that run before the loss; default those of UPDATE_OPS.
      variables: those to train; default all trainable ones.
      name: scope; default "OptimizeLoss".
      summaries: which of `OPTIMIZER_SUMMARIES` to add; default "loss", "learning_rate" (where it decays),
        "global_gradient_norm".
      colocate_gradients_with_ops: see `tf.train.Optimizer.minimize`.
      increment_global_step: whether each step counts.

    Raises:
      ValueError: an argument is none of these.
    """
    loss = assert_scalar(convert.to_tensor(loss))
    if global_step is None:
        global_step = get_global_step()
    else:
        assert_global_step(global_step)
    wanted = ["loss", "learning_rate", "global_gradient_norm"] if summaries is None else list(summaries)
    if set(wanted) - set(OPTIMIZER_SUMMARIES):
        raise ValueError(f"summaries are some of {OPTIMIZER_SUMMARIES}. Received: {wanted}")
    with variable_scope(name, "OptimizeLoss", [loss] if global_step is None else [loss, global_step]):
        graph = get_default_graph()
        updates = graph.get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else update_ops
        if updates:
            loss = with_dependencies(list(dict.fromkeys(updates)), loss)
        rate = _rate(learning_rate, learning_rate_decay_fn, global_step)
        if rate is not None and learning_rate_decay_fn is not None and "learning_rate" in wanted:
            scalar("learning_rate", rate)
        chosen = _optimizer(optimizer, rate)
        if variables is None:
            variables = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
        pairs = chosen.compute_gradients(
            loss, variables, colocate_gradients_with_ops=colocate_gradients_with_ops
        )
        if gradient_noise_scale is not None:
            pairs = _noisy(pairs, gradient_noise_scale)
        if gradient_multipliers is not None:
            pairs = _multiplied(pairs, gradient_multipliers, lambda variable: variable.name)
        if "global_gradient_norm" in wanted or "gradient_norm" in wanted:
            scalar("global_norm/gradient_norm", global_norm([g for g, _ in pairs]))
        pairs = _clipped(pairs, clip_gradients)
        if "loss" in wanted:
            scalar("loss", loss)
        for gradient, variable in pairs:
            if gradient is not None and "gradients" in wanted:
                histogram(f"gradients/{variable.name}", _values(gradient))
            if gradient is not None and "gradient_norm" in wanted:
                scalar(f"gradient_norm/{variable.name}", global_norm([_values(gradient)]))
        if clip_gradients is not None and ("global_gradient_norm" in wanted or "gradient_norm" in wanted):
            scalar("global_norm/clipped_gradient_norm", global_norm([g for g, _ in pairs]))
        counted = global_step if increment_global_step else None
        step = chosen.apply_gradients(pairs, global_step=counted, name="train")
        return with_dependencies([step], loss)


def _rate(learning_rate: Any, decay: Any, global_step: Any) -> Any:
    """The learning rate, a number in a variable of its own."""
    if learning_rate is None:
        return None
    if isinstance(learning_rate, Tensor | Variable):
        if learning_rate.get_shape().ndims != 0:
            raise ValueError(f"the learning rate must be a scalar. Received: {learning_rate}")
        rate = learning_rate
    elif isinstance(learning_rate, int | float) and learning_rate >= 0.0:
        first = Constant(learning_rate)
        rate = get_variable("learning_rate", [], float32, initializer=first, trainable=False)
    else:
        raise ValueError(
            "the learning rate must be a scalar tensor or a number of at least 0. "
            f"Received: {learning_rate!r}"
        )
    if decay is None:
        return rate
    if global_step is None:
        raise ValueError("learning_rate_decay_fn needs a global step. Received: global_step=None")
    return decay(rate, global_step)


def _optimizer(given: Any, rate: Any) -> Optimizer:
    if isinstance(given, str):
        if given not in OPTIMIZER_CLS_NAMES:
            raise ValueError(
                f"the optimizer's name is one of {sorted(OPTIMIZER_CLS_NAMES)}. Received: {given!r}"
            )
        if rate is None:
            raise ValueError(f"an optimizer by name needs a learning rate. Received: {given!r}")
        return OPTIMIZER_CLS_NAMES[given](learning_rate=rate)
    if isinstance(given, Optimizer):
        return given
    made: Any = given
    if inspect.isclass(given) and issubclass(given, Optimizer):
        if rate is None:
            raise ValueError(f"an optimizer's class needs a learning rate. Received: {given.__name__}")
        return made(learning_rate=rate)
    found = (made() if rate is None else made(rate)) if callable(made) else made
    if not isinstance(found, Optimizer):
        raise ValueError(
            "the optimizer must be a name, an Optimizer, its class or a function that makes one. "
            f"Received: {given!r}"
        )
    return found


def _noisy(pairs: _Pairs, scale: float) -> _Pairs:
    found = []
    for gradient, variable in pairs:
        if gradient is not None:
            rows = isinstance(gradient, IndexedSlices)
            shape = gradient.dense_shape if rows else gradient.get_shape()
            gradient = gradient + truncated_normal(shape) * scale
        found.append((gradient, variable))
    return found


def _clipped(pairs: _Pairs, clip: Any) -> _Pairs:
    if clip is None:
        return pairs
    if isinstance(clip, int | float):
        found, _ = clip_by_global_norm([g for g, _ in pairs], clip)
        return list(zip(found, [v for _, v in pairs], strict=True))
    if callable(clip):
        return list(clip(pairs))  # type: ignore[arg-type]
    raise ValueError(f"clip_gradients is a number or a function. Received: {clip!r}")
