"""Optimizers of Keras: arguments that TensorFlow takes in a way of its own."""

import numpy as np
import pytest

import millrace as tf

optimizers = tf.keras.optimizers


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def test_nadam_heeds_schedule_decay_and_passes_over_decay():
    assert optimizers.Nadam(0.1, decay=0.3).get_config()["decay"] == 0.004
    assert optimizers.Nadam(schedule_decay=0.2).get_config()["decay"] == 0.2


def test_no_gradients_at_all_count_a_step():
    optimizer = optimizers.SGD()
    step = optimizer.apply_gradients([])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert sess.run(optimizer.iterations) == 1
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply_gradients([(None, tf.Variable(1.0, use_resource=True))])


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.RMSprop])
def test_no_momentum_of_any_kind_of_number_makes_no_slots(kind):
    variable = tf.Variable(1.0, use_resource=True)

    def slots(momentum):
        optimizer = kind(0.1, momentum=momentum)
        optimizer.apply_gradients([(tf.constant(1.0), variable)])
        return len(optimizer.weights)

    assert slots(np.float32(0.0)) == slots(0.0) == slots(0) == slots(0.5) - 1 == slots(tf.constant(0.0)) - 1


def test_adagrad_takes_the_small_epsilon_of_old_files():
    assert [optimizers.Adagrad(epsilon=e).epsilon for e in (1e-8, 0.0, None)] == [1e-8, 1e-7, 1e-7]
