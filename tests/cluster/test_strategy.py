"""Strategies of one replica."""

import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def test_outside_of_all_scopes():
    default = tf.distribute.get_strategy()
    assert not tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context()
    assert default.num_replicas_in_sync == 1 and tf.distribute.get_strategy() is default
    assert tf.distribute.get_replica_context().strategy is default
    assert tf.distribute.get_loss_reduction() is tf.distribute.ReduceOp.MEAN


@pytest.mark.parametrize("kind", [tf.distribute.OneDeviceStrategy, tf.distribute.MirroredStrategy])
def test_a_strategy_places_and_calls(kind):
    strategy = kind("/cpu:0")

    def step(x):
        context = tf.distribute.get_replica_context()
        assert context.num_replicas_in_sync == 1 and context.strategy is strategy
        total = context.all_reduce("sum", x)
        return context.merge_call(
            lambda s, t: s.extended.update(v, lambda w, d: w.assign_add(d), (t,)), (total,)
        )

    with strategy.scope():
        assert tf.distribute.has_strategy() and tf.distribute.in_cross_replica_context()
        assert tf.distribute.get_replica_context() is None
        v = tf.Variable(1.0)
        result = strategy.experimental_run_v2(step, (tf.constant(2.0),))
    assert v.device == "/device:CPU:0" and strategy.experimental_local_results(result) == (result,)
    mean = strategy.reduce("MEAN", tf.constant([1.0, 3.0]), axis=0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([result, mean]) == [3.0, 2.0]


def test_scopes_do_not_nest():
    one, other = tf.distribute.OneDeviceStrategy("/cpu:0"), tf.distribute.OneDeviceStrategy("/cpu:0")
    with one.scope(), one.scope():
        with pytest.raises(RuntimeError, match="nest"), other.scope():
            pass
        with pytest.raises(RuntimeError):
            tf.distribute.experimental_set_strategy(other)


def test_a_strategy_may_be_set():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    tf.distribute.experimental_set_strategy(strategy)
    try:
        assert tf.distribute.get_strategy() is strategy and tf.distribute.in_cross_replica_context()
    finally:
        tf.distribute.experimental_set_strategy(None)
    assert not tf.distribute.has_strategy()


def test_datasets_pass_through():
    strategy = tf.distribute.get_strategy()
    data = strategy.experimental_make_numpy_dataset([1.0, 2.0])
    iterator = strategy.make_dataset_iterator(strategy.experimental_distribute_dataset(data))
    doubled = strategy.experimental_run(lambda x: x * 2.0, iterator)
    other = strategy.make_input_fn_iterator(lambda context: data.batch(context.get_per_replica_batch_size(2)))
    with tf.Session() as sess:
        sess.run([iterator.initializer, other.initializer])
        assert sess.run(doubled) == 2.0 and sess.run(other.get_next()).tolist() == [1.0, 2.0]


def test_several_devices_are_refused():
    with pytest.raises(ValueError, match="one replica"):
        tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    with pytest.raises(ValueError, match="divisible"):
        tf.distribute.InputContext(num_replicas_in_sync=2).get_per_replica_batch_size(3)
