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


class Halving(tf.keras.optimizers.Adam):
    """Adam's bookkeeping with another step, as subclasses in programs write it."""

    def _prepare_local(self, var_device, var_dtype, apply_state):
        super()._prepare_local(var_device, var_dtype, apply_state)
        apply_state[var_device, var_dtype]["half"] = apply_state[var_device, var_dtype]["lr_t"] / 2.0

    def _resource_apply_dense(self, grad, var, apply_state=None):
        place = var.device, var.dtype.base_dtype
        shared = (apply_state or {}).get(place) or self._fallback_apply_state(*place)
        return var.assign_sub(shared["half"] * grad, use_locking=self._use_locking)

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        return self._resource_scatter_add(var, indices, -grad)


class Own(tf.keras.optimizers.Optimizer):
    """An optimizer with a slot, written against the base class alone."""

    def __init__(self, learning_rate=0.1, name="Own", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "sum")

    def _resource_apply_dense(self, grad, var):
        total = self.get_slot(var, "sum").assign_add(grad)
        return var.assign_sub(self._decayed_lr(var.dtype.base_dtype) * total)


@pytest.mark.parametrize(("optimizer", "moved"), [(Halving(0.2), [0.8, 0.7]), (Own(0.1), [0.8, 0.7])])
def test_subclasses_say_how_a_weight_changes(optimizer, moved):
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.Variable([1.0, 1.0], use_resource=True)
        step = optimizer.apply_gradients([(tf.constant([2.0, 3.0]), weights)])
        session.run(tf.global_variables_initializer())
        session.run(step)
        np.testing.assert_allclose(session.run(weights), moved, rtol=1e-6)


def test_a_subclass_is_given_rows_once():
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.Variable([1.0, 1.0, 1.0], use_resource=True)
        rows = tf.IndexedSlices(tf.constant([0.25, 0.25, 0.5]), tf.constant([0, 0, 2]), tf.constant([3]))
        step = Halving(0.2).apply_gradients([(rows, weights)])
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run(weights).tolist() == [0.5, 1.0, 0.5]
