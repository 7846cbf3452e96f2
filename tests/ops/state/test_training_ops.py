"""Update operations against formulas for one element, in Python floats, from the papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import millrace as tf
from millrace.building.apply import apply
from millrace.dialect import jax_dialect, numpy_dialect
from millrace.graph.opdef import lookup


def _sign(x):
    return (x > 0) - (x < 0)


def _shrink(x, by):
    return math.copysign(max(abs(x) - by, 0.0), x)


def gradient_descent(var, alpha, delta):
    return (var - alpha * delta,)


def proximal_descent(var, alpha, l1, l2, delta):
    return (_shrink(var - alpha * delta, alpha * l1) / (1 + alpha * l2),)


def momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    accum = momentum * accum + grad
    return var - lr * (grad + momentum * accum if use_nesterov else accum), accum


def keras_momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    accum = momentum * accum - lr * grad
    return var + (momentum * accum - lr * grad if use_nesterov else accum), accum


def adam(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad, use_nesterov=False):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    ahead = beta1 * m + (1 - beta1) * grad if use_nesterov else m
    rate = lr * math.sqrt(1 - beta2_power) / (1 - beta1_power)
    return var - rate * ahead / (math.sqrt(v) + epsilon), m, v


def amsgrad(var, m, v, vhat, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad):
    _, m, v = adam(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad)
    vhat = max(vhat, v)
    rate = lr * math.sqrt(1 - beta2_power) / (1 - beta1_power)
    return var - rate * m / (math.sqrt(vhat) + epsilon), m, v, vhat


def adamax(var, m, v, beta1_power, lr, beta1, beta2, epsilon, grad):
    m = beta1 * m + (1 - beta1) * grad
    v = max(beta2 * v, abs(grad))
    return var - lr / (1 - beta1_power) * m / (v + epsilon), m, v


def adagrad(var, accum, lr, grad, update_slots=True):
    accum += grad**2 if update_slots else 0
    return var - lr * grad / math.sqrt(accum), accum


def adagrad_v2(var, accum, lr, epsilon, grad, update_slots=True):
    accum += grad**2 if update_slots else 0
    return var - lr * grad / (math.sqrt(accum) + epsilon), accum


def proximal_adagrad(var, accum, lr, l1, l2, grad):
    accum += grad**2
    rate = lr / math.sqrt(accum)
    return _shrink(var - rate * grad, rate * l1) / (1 + rate * l2), accum


def adagrad_da(var, total, squares, grad, lr, l1, l2, global_step):
    total, squares = total + grad, squares + grad**2
    return (
        -lr * _shrink(total, l1 * global_step) / (math.sqrt(squares) + lr * l2 * global_step),
        total,
        squares,
    )


def adadelta(var, accum, accum_update, lr, rho, epsilon, grad):
    accum = rho * accum + (1 - rho) * grad**2
    step = math.sqrt(accum_update + epsilon) / math.sqrt(accum + epsilon) * grad
    return var - lr * step, accum, rho * accum_update + (1 - rho) * step**2


def ftrl(var, accum, linear, grad, lr, l1, l2, lr_power, shrinkage=0.0):
    new = accum + grad**2
    linear += grad + 2 * shrinkage * var - (new**-lr_power - accum**-lr_power) / lr * var
    moved = (_sign(linear) * l1 - linear) / (new**-lr_power / lr + 2 * l2)
    return (moved if abs(linear) > l1 else 0.0), new, linear


def ftrl_v2(var, accum, linear, grad, lr, l1, l2, l2_shrinkage, lr_power):
    return ftrl(var, accum, linear, grad, lr, l1, l2, lr_power, l2_shrinkage)


def rmsprop(var, ms, mom, lr, rho, momentum, epsilon, grad):
    ms = rho * ms + (1 - rho) * grad**2
    mom = momentum * mom + lr * grad / math.sqrt(ms + epsilon)
    return var - mom, ms, mom


def centered_rmsprop(var, mg, ms, mom, lr, rho, momentum, epsilon, grad):
    ms = rho * ms + (1 - rho) * grad**2
    mg = rho * mg + (1 - rho) * grad
    mom = momentum * mom + lr * grad / math.sqrt(ms - mg**2 + epsilon)
    return var - mom, mg, ms, mom


def add_sign(var, m, lr, alpha, sign_decay, beta, grad):
    m = beta * m + (1 - beta) * grad
    return var - lr * (alpha + sign_decay * _sign(grad) * _sign(m)) * grad, m


def power_sign(var, m, lr, logbase, sign_decay, beta, grad):
    m = beta * m + (1 - beta) * grad
    return var - lr * math.exp(logbase * sign_decay * _sign(grad) * _sign(m)) * grad, m


class Rule(NamedTuple):
    """One formula, the operations that compute it, and attributes to try."""

    formula: Callable[..., Any]
    ops: tuple[str, ...]
    attrs: tuple[dict[str, Any], ...] = ({},)


def _all(name: str) -> tuple[str, ...]:
    return (f"Apply{name}", f"ResourceApply{name}", f"SparseApply{name}", f"ResourceSparseApply{name}")


_STEPS = ({}, {"use_nesterov": True})
_SLOTS = ({}, {"update_slots": False})
RULES = (
    Rule(gradient_descent, ("ApplyGradientDescent", "ResourceApplyGradientDescent")),
    Rule(proximal_descent, _all("ProximalGradientDescent")),
    Rule(momentum, _all("Momentum"), _STEPS),
    Rule(keras_momentum, ("ResourceApplyKerasMomentum", "ResourceSparseApplyKerasMomentum"), _STEPS),
    Rule(adam, ("ApplyAdam", "ResourceApplyAdam"), _STEPS),
    Rule(amsgrad, ("ResourceApplyAdamWithAmsgrad",)),
    Rule(adamax, ("ApplyAdaMax", "ResourceApplyAdaMax")),
    Rule(adagrad, _all("Adagrad"), _SLOTS),
    Rule(adagrad_v2, _all("AdagradV2"), _SLOTS),
    Rule(proximal_adagrad, _all("ProximalAdagrad")),
    Rule(adagrad_da, _all("AdagradDA")),
    Rule(adadelta, _all("Adadelta")),
    Rule(ftrl, _all("Ftrl")),
    Rule(ftrl_v2, _all("FtrlV2")),
    Rule(rmsprop, _all("RMSProp")),
    Rule(centered_rmsprop, _all("CenteredRMSProp")),
    Rule(add_sign, ("ApplyAddSign", "ResourceApplyAddSign")),
    Rule(power_sign, ("ApplyPowerSign", "ResourceApplyPowerSign")),
)
CASES = [(op, rule.formula, attrs) for rule in RULES for op in rule.ops for attrs in rule.attrs]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5, np.float16: 4e-2}
ROWS = [4, 1, 4, 0, 4]  # of five; one of them three times, one never


class Sample:
    """Inputs of one operation, by name, and the values that its formula gives."""

    def __init__(self, op: str, formula: Callable[..., Any], attrs: dict[str, Any], dtype: Any) -> None:
        generator = np.random.default_rng(len(op))
        self.opdef = lookup(op)
        self.count = len(self.opdef.writes)
        sparse = "Sparse" in op
        self.values: dict[str, np.ndarray] = {}
        for i, arg in enumerate(self.opdef.inputs):
            if i < self.count:
                # a mean is smaller than the root of its mean square
                value = generator.uniform(0.6, 1.5, (5, 3)) / (4 if arg.name == "mg" else 1)
            elif arg.name in ("grad", "delta"):
                value = generator.uniform(-1, 1, (5, 3))
            elif arg.name == "indices":
                self.values[arg.name] = np.array(ROWS, np.int32)
                continue
            elif arg.name == "global_step":
                self.values[arg.name] = np.array(3)
                continue
            else:
                value = np.asarray(-0.5 if arg.name == "lr_power" else generator.uniform(0.05, 0.9))
            self.values[arg.name] = value.astype(dtype)
        self.expected = self._expected(formula, attrs, ROWS if sparse else range(5), sparse)

    def _expected(self, formula: Any, attrs: dict[str, Any], rows: Any, sparse: bool) -> list[np.ndarray]:
        names = [a.name for a in self.opdef.inputs if a.name != "indices"]
        now = [self.values[n].astype(np.float64) for n in names[: self.count]]
        for k, row in enumerate(rows):
            for column in range(3):
                rest = []
                for name in names[self.count :]:
                    value = self.values[name]
                    rest.append(float(value[k if sparse else row, column] if value.ndim else value))
                found = formula(*[float(v[row, column]) for v in now], *rest, **attrs)
                for variable, new in zip(now, found, strict=True):
                    variable[row, column] = new
        return now


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(("op", "formula", "attrs"), CASES, ids=[f"{c[0]}{c[2] or ''}" for c in CASES])
def test_update(op: str, formula: Any, attrs: dict[str, Any], dtype: Any) -> None:
    sample = Sample(op, formula, attrs, dtype)
    handles = op.startswith("Resource")
    variables = [
        tf.Variable(sample.values[n.name], use_resource=handles) for n in sample.opdef.inputs[: sample.count]
    ]
    inputs = [v.handle if handles else v._ref() for v in variables]
    inputs += [tf.constant(sample.values[a.name]) for a in sample.opdef.inputs[sample.count :]]
    result = apply(sample.opdef, *inputs, **attrs)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        written = session.run(result)
        after = session.run(variables)
    if not handles:
        np.testing.assert_array_equal(written, after[0])
    for got, want in zip(after, sample.expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.xla
@pytest.mark.parametrize(("op", "formula", "attrs"), CASES, ids=[f"{c[0]}{c[2] or ''}" for c in CASES])
def test_dialects_agree(op: str, formula: Any, attrs: dict[str, Any]) -> None:
    sample = Sample(op, formula, attrs, np.float32)
    defaults = {n: sample.opdef.defaults[n] for n in sample.opdef.kernel_attrs}
    values = [sample.values[a.name] for a in sample.opdef.inputs]
    expected = sample.opdef.kernel(numpy_dialect(), *values, **{**defaults, **attrs})
    found = sample.opdef.kernel(jax_dialect(), *values, **{**defaults, **attrs})
    for got, want in zip(np.atleast_3d(found), np.atleast_3d(expected), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_shapes_are_checked_while_building() -> None:
    variable = tf.Variable(np.zeros((4, 2), np.float32))
    apply_adagrad = lookup("ApplyAdagrad")
    with pytest.raises(ValueError, match="equal where both are known"):
        apply(apply_adagrad, variable, variable, 0.1, np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="'lr' must be a scalar"):
        apply(apply_adagrad, variable, variable, [0.1], np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="equal where both are known"):
        apply(lookup("SparseApplyAdagrad"), variable, variable, 0.1, np.zeros((3, 2), np.float32), [0, 1])


def test_shapes_are_checked_while_running() -> None:
    variable = tf.Variable(np.zeros((4, 2), np.float32))
    gradient = tf.placeholder(tf.float32)
    step = apply(lookup("ApplyGradientDescent"), variable, 0.1, gradient)
    with tf.Session() as session:
        session.run(variable.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="gradient must fit the variable"):
            session.run(step, {gradient: np.zeros((4, 1))})


def test_rows_out_of_range_are_refused_and_nothing_changes() -> None:
    variable, slot = (tf.Variable(np.ones((4, 2), np.float32)) for _ in range(2))
    step = apply(lookup("SparseApplyAdagrad"), variable, slot, 0.1, np.ones((2, 2), np.float32), [0, 4])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 4 is not in \[0, 4\)"):
            session.run(step)
        assert session.run(slot).tolist() == np.ones((4, 2)).tolist()
