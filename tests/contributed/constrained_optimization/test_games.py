"""Minimizing under constraints."""

import numpy as np
import pytest

import millrace as tf

K = tf.contrib.constrained_optimization


class Problem(K.ConstrainedMinimizationProblem):
    """The point nearest to 0 whose first coordinate is at least 3."""

    def __init__(self, v):
        self.v = v

    @property
    def objective(self):
        return tf.reduce_sum(self.v * self.v)

    @property
    def constraints(self):
        return tf.stack([3.0 - self.v[0], 1.0 - self.v[1] - 2.0])


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (lambda o: K.AdditiveExternalRegretOptimizer(o), "external_regret_optimizer_state"),
        (
            lambda o: K.AdditiveExternalRegretOptimizer(o, tf.train.GradientDescentOptimizer(0.2), 20.0),
            "external_regret_optimizer_state",
        ),
        (lambda o: K.AdditiveSwapRegretOptimizer(o), "swap_regret_optimizer_state"),
        (lambda o: K.MultiplicativeSwapRegretOptimizer(o), "swap_regret_optimizer_state"),
    ],
)
def test_the_constraint_comes_to_hold(make, state):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([1.0, 2.0], name="v")
        problem = Problem(v)
        assert problem.num_constraints == 2
        counter = tf.train.create_global_step()
        step = make(tf.train.GradientDescentOptimizer(0.05)).minimize(problem, global_step=counter)
        session.run(tf.global_variables_initializer())
        assert state in [x.op.name for x in tf.global_variables()]
        assert state not in [x.op.name for x in tf.trainable_variables()]
        for _ in range(300):
            session.run(step)
        found = session.run(v)
        assert session.run(counter) == 300
    assert 2.0 < found[0] < 4.5
    assert abs(found[1]) < 1.0


def test_steps_without_constraints_first():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([1.0, 2.0])
        counter = tf.train.create_global_step()
        optimizer = K.AdditiveExternalRegretOptimizer(tf.train.GradientDescentOptimizer(0.25))
        assert optimizer.constraint_optimizer is None
        step = optimizer.minimize(Problem(v), unconstrained_steps=2, global_step=counter)
        session.run(tf.global_variables_initializer())
        session.run(step)
        np.testing.assert_allclose(session.run(v), [0.5, 1.0])
        with pytest.raises(ValueError, match="global_step"):
            optimizer.minimize(Problem(v), unconstrained_steps=2)


def test_the_best_candidate():
    objectives = [0.5, 0.2, 0.9, 0.1]
    violations = [[0.1, -0.2], [0.3, -0.1], [-0.1, -0.1], [0.5, 0.4]]
    assert K.find_best_candidate_index(objectives, violations) == 2
    assert K.find_best_candidate_index([3.0, 1.0], [[-1.0], [-2.0]]) == 1
    assert K.find_best_candidate_index([3.0, 1.0], [[0.0], [0.5]], rank_objectives=True) in (0, 1)
    with pytest.raises(ValueError, match="shapes"):
        K.find_best_candidate_index(objectives, violations[:2])


@pytest.mark.parametrize(
    "make",
    [
        lambda: K.AdditiveExternalRegretOptimizer(None, maximum_multiplier_radius=0.0),
        lambda: K.MultiplicativeSwapRegretOptimizer(None, minimum_multiplier_radius=1.0),
        lambda: K.MultiplicativeSwapRegretOptimizer(None, initial_multiplier_radius=1e-5),
    ],
)
def test_radii_that_cannot_be(make):
    with pytest.raises(ValueError, match="radius"):
        make()
