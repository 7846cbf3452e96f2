"""The optimizers of `tensorflow.python.keras.optimizers`; numbers are those of 1.15.5."""

import importlib

import numpy as np
import pytest

import millrace as tf

early = importlib.import_module("millrace.python.keras.optimizers")


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        ({"lr": 0.1, "momentum": 0.9}, [0.06200001, 0.12400001]),
        (
            {"lr": 0.1, "momentum": 0.5, "nesterov": True, "decay": 0.1, "clipnorm": 1.0},
            [0.80695015, 1.6139003],
        ),
        ({"lr": 0.1, "clipvalue": 0.5}, [0.84999996, 1.8500001]),
    ],
)
def test_three_steps(arguments, after):
    with tf.Session() as sess:
        v = tf.Variable([1.0, 2.0])
        optimizer = early.SGD(**arguments)
        step = optimizer.get_updates(tf.reduce_sum(v * v), [v])
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(step)
        np.testing.assert_allclose(sess.run(v), after, rtol=1e-6)
        told = optimizer.get_config()
        assert {key: pytest.approx(value) for key, value in arguments.items()}.items() <= told.items()
        assert [w.shape for w in optimizer.get_weights()] == [(), (2,)]
        optimizer.set_weights([np.array(7), np.ones(2)])
        assert optimizer.get_weights()[0] == 7
        with pytest.raises(
            ValueError, match=r"weight list \(1\) does not match the number of weights of the opt"
        ):
            optimizer.set_weights([np.zeros(3)])


def test_what_is_refused():
    with pytest.raises(TypeError, match="Unexpected keyword argument passed to optimizer: foo"):
        early.Optimizer(foo=1)
    with pytest.raises(ValueError, match="Expected clipnorm >= 0, received: -1.0"):
        early.Optimizer(clipnorm=-1.0)
    base = early.Optimizer(clipnorm=1.0)
    assert base.get_config() == {"clipnorm": 1.0} and base.weights == base.updates == []
    v = tf.Variable(1.0)
    with pytest.raises(NotImplementedError):
        base.get_updates(v, [v])
    with pytest.raises(ValueError, match="An operation has `None` for gradient"):
        base.get_gradients(tf.constant(1.0), [v])


def test_a_model_is_trained_by_one_of_them():
    class Own(early.Optimizer):
        def get_updates(self, loss, params):
            self.updates = [p.assign_sub(0.1 * g) for p, g in zip(params, self.get_gradients(loss, params))]
            return self.updates

    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", input_shape=(1,))]
    )
    model.compile(Own(), "mse")
    model.fit(np.ones([4, 1]), np.zeros([4, 1]), batch_size=4, epochs=2, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [[0.64]], rtol=1e-6)
