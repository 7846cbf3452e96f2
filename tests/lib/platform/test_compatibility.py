"""The horizon of forward compatibility is 1.15's."""

import pytest

import millrace as tf


@pytest.mark.parametrize(("day", "allowed"), [(20, True), (21, False), (22, False)])
def test_horizon(day, allowed):
    assert tf.compat.forward_compatible(2019, 8, day) is allowed


def test_another_horizon_holds_inside():
    with tf.compat.forward_compatibility_horizon(2019, 12, 1):
        assert tf.compat.forward_compatible(2019, 11, 30)
        assert not tf.compat.forward_compatible(2019, 12, 1)
    assert not tf.compat.forward_compatible(2019, 11, 30)


def test_days_ahead_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TF_FORWARD_COMPATIBILITY_DELTA_DAYS", "2")
    assert tf.compat.forward_compatible(2019, 8, 22)
    assert not tf.compat.forward_compatible(2019, 8, 23)


def test_a_part_of_a_device_is_replaced():
    spec = tf.DeviceSpec(job="worker", replica=1, device_type="CPU", device_index=0)
    assert spec.replace(job="ps").to_string() == "/job:ps/replica:1/device:CPU:0"
    assert spec.job == "worker"
    with pytest.raises(TypeError):
        spec.replace(kind="GPU")


def test_strategies_take_functions_of_datasets():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert strategy.configure(tf.ConfigProto()) is None
    dataset = strategy.experimental_distribute_datasets_from_function(
        lambda context: tf.data.Dataset.range(context.get_per_replica_batch_size(4))
    )
    value = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run(value) for _ in range(4)] == [0, 1, 2, 3]
