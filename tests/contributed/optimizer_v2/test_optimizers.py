"""The optimizers of tf.contrib.optimizer_v2, with the numbers of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

V2 = tf.contrib.optimizer_v2


@pytest.mark.parametrize(
    ("make", "expected", "slots"),
    [
        (lambda: V2.GradientDescentOptimizer(0.1), [0.512, 1.024], []),
        (lambda: V2.MomentumOptimizer(0.1, 0.9), [0.062, 0.124], ["Variable/Momentum"]),
        (lambda: V2.AdagradOptimizer(0.1), [0.7823, 1.7763], ["Variable/Adagrad"]),
        (
            lambda: V2.AdamOptimizer(0.1),
            [0.70159, 1.70062],
            ["Variable/Adam", "Variable/Adam_1", "beta1_power", "beta2_power"],
        ),
        (lambda: V2.RMSPropOptimizer(0.1), [0.36918, 1.30872], ["Variable/RMSProp", "Variable/RMSProp_1"]),
        (lambda: V2.AdadeltaOptimizer(0.1), [0.99986, 1.99986], ["Variable/Adadelta", "Variable/Adadelta_1"]),
    ],
)
def test_numbers_and_names_of_1_15(make, expected, slots):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([1.0, 2.0])
        optimizer = make()
        assert isinstance(optimizer, V2.OptimizerV2)
        step = optimizer.minimize(tf.reduce_sum(v * v))
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(step)
        np.testing.assert_allclose(session.run(v), expected, atol=2e-5)
        assert sorted(x.op.name for x in tf.global_variables()) == sorted(["Variable", *slots])
