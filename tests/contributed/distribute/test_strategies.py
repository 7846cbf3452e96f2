"""Strategies and steps of tf.contrib.distribute."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distribute


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.MirroredStrategy(num_gpus=1),
        lambda: D.MirroredStrategy(num_gpus=2),
        lambda: D.MirroredStrategy(num_gpus_per_worker=0),
        lambda: D.OneDeviceStrategy("/cpu:0"),
        lambda: D.CollectiveAllReduceStrategy(num_gpus_per_worker=0),
        D.ParameterServerStrategy,
        D.TPUStrategy,
        tf.contrib.tpu.TPUDistributionStrategy,
    ],
)
def test_one_replica_trains(make):
    strategy = make()
    assert strategy.num_replicas_in_sync == 1
    with tf.Graph().as_default(), tf.Session() as session:
        with strategy.scope():
            assert D.get_cross_replica_context() is strategy
            v = tf.get_variable("v", initializer=3.0)
        session.run(tf.global_variables_initializer())
        assert session.run(v) == 3


def test_arguments_that_exclude_each_other():
    with pytest.raises(ValueError, match="only specify one"):
        D.MirroredStrategy(devices=["/cpu:0"], num_gpus=1)
    with pytest.raises(ValueError, match="cannot specify both"):
        D.MirroredStrategy(num_gpus=1, num_gpus_per_worker=1)
    with pytest.raises(ValueError, match="both"):
        D.MirroredStrategy(cross_device_ops=1, cross_tower_ops=2)


def test_steps():
    with tf.Graph().as_default(), tf.Session() as session:
        strategy = D.OneDeviceStrategy("/cpu:0")
        v = tf.get_variable("v", initializer=1.0)
        step = D.StandardSingleLossStep(
            lambda: tf.data.Dataset.from_tensors(1.0).repeat(),
            lambda _, x: v * x,
            tf.train.GradientDescentOptimizer(0.25),
            strategy,
            iterations_per_step=2,
        )
        monitor = D.Monitor(step, session)
        monitor.run_steps(2)
        assert session.run(v) == 0
        read = D.StandardInputStep(lambda: tf.data.Dataset.range(3), strategy)
        session.run(read.initialize())
        assert session.run(read()) == 0
        assert read.distribution is strategy


def test_combining():
    with tf.Graph().as_default(), tf.Session() as session:
        ops = D.AllReduceCrossDeviceOps()
        values = [tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])]
        mean, total = ops.batch_reduce(tf.distribute.ReduceOp.MEAN, [(values, None), (values[0], None)])
        np.testing.assert_array_equal(session.run(mean), [2, 3])
        np.testing.assert_array_equal(session.run(total), [1, 2])
        total = D.MultiWorkerAllReduce(["/cpu:0"], 1).reduce(tf.distribute.ReduceOp.SUM, values, None)
        np.testing.assert_array_equal(session.run(total), [4, 6])
        assert session.run(ops.broadcast(3.0, None)) == 3
    with pytest.raises(TypeError):
        D.CrossDeviceOps()


def test_contexts(monkeypatch):
    strategy = D.OneDeviceStrategy("/cpu:0")

    def inside():
        context = D.get_replica_context()
        D.require_replica_context(context)
        assert D.get_cross_replica_context() is None
        return 1

    with strategy.scope():
        strategy.experimental_run_v2(inside)
        with pytest.raises(RuntimeError, match="inside"):
            D.require_replica_context(D.ReplicaContext(strategy, 0))
    with D.UpdateContext("/cpu:0"):
        pass
    assert D.initialize_tpu_system() is None
    assert D.DistributeConfig(train_distribute=1) == (1, None, None)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        D.run_standard_tensorflow_server()
