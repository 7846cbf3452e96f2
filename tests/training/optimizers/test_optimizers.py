"""Optimizers as programs use and extend them; the numbers of each rule are tested with its operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

MAKES = pytest.mark.parametrize("resource", [False, True], ids=["reference", "handle"])
RULES = {
    "gradient_descent": lambda: tf.train.GradientDescentOptimizer(0.1),
    "proximal_descent": lambda: tf.train.ProximalGradientDescentOptimizer(0.1, 0.001, 0.001),
    "momentum": lambda: tf.train.MomentumOptimizer(0.05, 0.9),
    "nesterov": lambda: tf.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
    "adam": lambda: tf.train.AdamOptimizer(0.1),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.5),
    "proximal_adagrad": lambda: tf.train.ProximalAdagradOptimizer(0.5, 0.1, 0.001, 0.001),
    "adagrad_da": lambda: tf.train.AdagradDAOptimizer(0.5, tf.train.get_or_create_global_step()),
    "adadelta": lambda: tf.train.AdadeltaOptimizer(1.0, 0.9, 1e-2),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.05),
    "centered_rmsprop": lambda: tf.train.RMSPropOptimizer(0.05, centered=True),
    "ftrl": lambda: tf.train.FtrlOptimizer(0.5),
    "ftrl_shrinkage": lambda: tf.train.FtrlOptimizer(0.5, l2_shrinkage_regularization_strength=0.001),
}


def _initialised() -> tf.Session:
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


@MAKES
@pytest.mark.parametrize("rule", RULES)
def test_the_loss_falls(rule: str, resource: bool) -> None:
    v = tf.Variable([[1.0, 2.0], [3.0, -2.0], [0.5, 0.5]], use_resource=resource)
    sparse = tf.reduce_sum(tf.square(tf.gather(v, [0, 2, 2])))
    loss = tf.reduce_sum(tf.square(v)) + sparse
    step = RULES[rule]().minimize(loss, global_step=tf.train.get_or_create_global_step())
    with _initialised() as session:
        losses = [session.run([loss, step])[0] for _ in range(60)]
        assert session.run(tf.train.get_global_step()) == 60
    assert losses[-1] < 0.3 * losses[0]


@MAKES
@pytest.mark.parametrize("rule", RULES)
def test_rows_named_twice_count_twice(rule: str, resource: bool) -> None:
    value = [[1.0, 2.0], [3.0, -2.0], [0.5, 0.5]]
    v, w = (tf.Variable(value, use_resource=resource) for _ in range(2))
    weights = tf.constant([[1.0], [2.0], [3.0]])
    by_rows = tf.reduce_sum(tf.gather(v, [0, 1, 1]) * weights)
    whole = tf.reduce_sum(w * [[1.0], [5.0], [0.0]])
    step = tf.group(
        RULES[rule]().minimize(by_rows, var_list=[v]), RULES[rule]().minimize(whole, var_list=[w])
    )
    with _initialised() as session:
        session.run(step)
        a, b = session.run([v, w])
    np.testing.assert_allclose(a[:2], b[:2], rtol=1e-5, atol=1e-6)


class Mine(tf.train.Optimizer):
    """A user's optimizer that says everything itself."""

    def __init__(self) -> None:
        super().__init__(False, "Mine")

    def _create_slots(self, var_list: Any) -> None:
        for var in var_list:
            self._zeros_slot(var, "acc", self._name)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        total = tf.assign_add(self.get_slot(var, "acc"), grad * grad)
        return tf.assign_sub(var, grad / (tf.sqrt(total) + 1.0))

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return tf.scatter_sub(var, grad.indices, grad.values)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return handle.assign_sub(grad * 0.5)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return tf.group(handle.assign_sub(handle * 0.5))


@pytest.mark.parametrize(
    ("resource", "dense", "sparse"),
    [
        (False, [[1 - 2 / 3, 2 - 4 / 5], [3 - 6 / 7, 4 - 8 / 9]], [[1, 2], [1, 2]]),
        (True, [[0, 0], [0, 0]], [[0.5, 1], [1.5, 2]]),
    ],
)
def test_a_subclass_says_what_to_do(resource: bool, dense: Any, sparse: Any) -> None:
    v, w = (tf.Variable([[1.0, 2.0], [3.0, 4.0]], use_resource=resource) for _ in range(2))
    optimizer = Mine()
    step = optimizer.minimize(tf.reduce_sum(v * v) + tf.reduce_sum(tf.gather(w, [1, 1])))
    assert optimizer.get_slot_names() == ["acc"]
    assert [s.name for s in optimizer.variables()] == ["Variable/Mine:0", "Variable_1/Mine:0"]
    with _initialised() as session:
        session.run(step)
        found = session.run([v, w])
    np.testing.assert_allclose(found[0], dense, rtol=1e-6)
    np.testing.assert_allclose(found[1], sparse, rtol=1e-6)


def test_a_subclass_of_a_rule_changes_one_hook() -> None:
    class Doubled(tf.train.GradientDescentOptimizer):
        def _apply_dense(self, grad: Any, var: Any) -> Any:
            return super()._apply_dense(grad * 2.0, var)

    v = tf.Variable([1.0])
    step = Doubled(0.1).minimize(tf.reduce_sum(v))
    with _initialised() as session:
        session.run(step)
        assert session.run(v) == pytest.approx([0.8])


def test_names_of_an_adam_step() -> None:
    v = tf.get_variable("v", [2])
    first, second = tf.train.AdamOptimizer(), tf.train.AdamOptimizer(name="Again")
    step = first.minimize(tf.reduce_sum(v))
    second.minimize(tf.reduce_sum(v))
    assert (step.name, step.type) == ("Adam", "NoOp")
    assert [s.name for s in first.variables()] == ["beta1_power:0", "beta2_power:0", "v/Adam:0", "v/Adam_1:0"]
    assert [s.name for s in second.variables()] == [
        "beta1_power_1:0",
        "beta2_power_1:0",
        "v/Again:0",
        "v/Again_1:0",
    ]
    assert first.get_slot(v, "m").name == "v/Adam:0"
    assert first.get_slot(v, "other") is None


def test_slots_take_the_variable_scope_but_not_the_name_scope() -> None:
    with tf.variable_scope("m"):
        v = tf.get_variable("v", [2])
    with tf.variable_scope("train"), tf.name_scope("n"):
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        step = optimizer.minimize(tf.reduce_sum(v))
    assert step.name == "train/n/Momentum"
    assert optimizer.get_slot(v, "momentum").name == "train/m/v/Momentum:0"


def test_slots_of_parts_know_where_they_lie() -> None:
    v = tf.get_variable("v", [4], partitioner=tf.fixed_size_partitioner(2), initializer=tf.ones_initializer())
    optimizer = tf.train.AdagradOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(tf.convert_to_tensor(v) * [1.0, 2.0, 3.0, 4.0]))
    slots = [optimizer.get_slot(p, "accumulator") for p in v]
    assert [s._get_save_slice_info().full_name for s in slots] == ["v/Adagrad", "v/Adagrad"]
    assert [s._get_save_slice_info().spec for s in slots] == ["4 0,2", "4 2,2"]
    with _initialised() as session:
        session.run(step)
        assert np.all(session.run(tf.convert_to_tensor(v)) < 1.0)


def test_the_pieces_of_a_step() -> None:
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([[3.0]])
    unused = tf.Variable(1.0)
    loss = tf.reduce_sum(v * v) * w[0, 0]
    optimizer = tf.train.GradientDescentOptimizer(lambda: 0.1)
    pairs = optimizer.compute_gradients(loss, grad_loss=tf.constant(2.0))
    assert [p[1] for p in pairs] == [v, w, unused]
    assert pairs[2][0] is None
    step = optimizer.apply_gradients([(g, x) for g, x in pairs if g is not None], name="mine")
    assert (step.name, tf.get_collection(tf.GraphKeys.TRAIN_OP)) == ("mine", [step])
    with _initialised() as session:
        assert session.run(pairs[0][0]).tolist() == [12, 24]
        session.run(step)
        assert session.run(v) == pytest.approx([-0.2, -0.4])


@pytest.mark.parametrize("gate", [tf.train.Optimizer.GATE_NONE, 1, 2])
def test_gating_changes_no_values(gate: int) -> None:
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
    pairs = tf.train.GradientDescentOptimizer(0.1).compute_gradients(
        tf.reduce_sum(v * w), gate_gradients=gate
    )
    with _initialised() as session:
        assert [g.tolist() for g in session.run([g for g, _ in pairs])] == [[3, 4], [1, 2]]


@MAKES
def test_a_constraint_follows_the_update(resource: bool) -> None:
    v = tf.Variable(1.0, constraint=lambda x: tf.clip_by_value(x, -1.0, 1.0), use_resource=resource)
    step = tf.train.GradientDescentOptimizer(1.0).minimize(v * 5.0)
    with _initialised() as session:
        session.run(step)
        assert session.run(v) == -1


@MAKES
def test_two_optimizers_differentiate_at_one_point(resource: bool) -> None:
    v = tf.Variable(2.0, use_resource=resource)
    loss = v * v
    steps = [tf.train.GradientDescentOptimizer(rate).minimize(loss) for rate in (0.1, 0.2)]
    with _initialised() as session:
        assert session.run([loss, *steps])[0] == 4
        assert session.run(v) == pytest.approx(2.0 - 0.4 - 0.8)


def test_a_fed_rate_and_half_precision() -> None:
    rate = tf.placeholder(tf.float32, [])
    v = tf.Variable(tf.ones([2], tf.float16))
    step = tf.train.AdamOptimizer(rate).minimize(tf.reduce_sum(v * v))
    with _initialised() as session:
        session.run(step, {rate: 0.5})
        assert session.run(v).tolist() == [0.5, 0.5]


def _descent() -> Any:
    return tf.train.GradientDescentOptimizer(0.1)


@pytest.mark.parametrize(
    ("program", "error", "rule"),
    [
        (lambda: _descent().minimize(tf.constant(1.0)), ValueError, "No variables to optimize"),
        (
            lambda: (tf.Variable(1.0), _descent().minimize(tf.constant(1.0))),
            ValueError,
            "No gradients provided",
        ),
        (lambda: _descent().minimize(tf.Variable(1) * 2), ValueError, "Invalid type"),
        (lambda: _descent().apply_gradients([]), ValueError, "No variables provided"),
        (lambda: _descent().apply_gradients([(None, tf.Variable(1.0))]), ValueError, "No gradients provided"),
        (
            lambda: _descent().compute_gradients(tf.Variable(1.0) * 2.0, var_list=[3]),
            TypeError,
            "not a variable",
        ),
        (
            lambda: _descent().compute_gradients(tf.Variable(1.0) * 2.0, gate_gradients=7),
            ValueError,
            "one of",
        ),
        (lambda: tf.train.Optimizer(False, ""), ValueError, "optimizer name"),
        (lambda: tf.train.AdagradOptimizer(0.1, 0.0), ValueError, "must be positive"),
        (lambda: tf.train.FtrlOptimizer(0.1, learning_rate_power=1.0), ValueError, "negative or zero"),
        (
            lambda: tf.train.FtrlOptimizer(0.1, l1_regularization_strength=-1.0),
            ValueError,
            "positive or zero",
        ),
    ],
)
def test_misuse(program: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        program()


def test_a_step_that_is_not_a_variable():
    v = tf.Variable(1.0)
    with pytest.raises(AttributeError, match="only a variable"):
        tf.train.GradientDescentOptimizer(0.1).apply_gradients([(tf.constant(1.0), v)], tf.constant(3))
