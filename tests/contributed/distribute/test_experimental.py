"""`tf.distribute.experimental`: strategies of one replica, and what combines values of several."""

import numpy as np
import pytest

import millrace as tf

experimental = tf.distribute.experimental


@pytest.mark.parametrize(
    "make",
    [
        experimental.CentralStorageStrategy,
        lambda: experimental.MultiWorkerMirroredStrategy(experimental.CollectiveCommunication.RING),
        experimental.ParameterServerStrategy,
        experimental.TPUStrategy,
    ],
)
def test_one_replica(make):
    strategy = make()
    assert isinstance(strategy, tf.distribute.Strategy) and strategy.num_replicas_in_sync == 1
    with tf.Graph().as_default(), tf.Session() as session, strategy.scope():
        assert session.run(strategy.experimental_run_v2(lambda x: x + 1.0, (tf.constant(2.0),))) == 3.0


@pytest.mark.parametrize(
    "make",
    [
        tf.distribute.NcclAllReduce,
        tf.distribute.HierarchicalCopyAllReduce,
        tf.distribute.ReductionToOneDevice,
        lambda: tf.distribute.ReductionToOneDevice(accumulation_fn=lambda values: tf.add_n(values)),
    ],
)
def test_sums_and_means(make):
    combine = make()
    assert isinstance(combine, tf.distribute.CrossDeviceOps)
    with tf.Graph().as_default(), tf.Session() as session:
        values = [tf.constant([1.0, 2.0]), tf.constant([3.0, 6.0])]
        total = combine.reduce(tf.distribute.ReduceOp.SUM, values, None)
        (mean,) = combine.batch_reduce(tf.distribute.ReduceOp.MEAN, [(values, None)])
        np.testing.assert_array_equal(session.run([total, mean]), [[4.0, 8.0], [2.0, 4.0]])


def test_arguments_that_are_refused():
    with pytest.raises(ValueError, match="num_packs >= 0"):
        tf.distribute.NcclAllReduce(-1)
    with pytest.raises(ValueError, match="at least one remote_host"):
        tf.config.experimental_connect_to_host()
    assert tf.config.experimental_connect_to_cluster({"worker": ["localhost:1"]}) is None
