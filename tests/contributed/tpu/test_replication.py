"""Tests of tf.contrib.tpu on a machine without a TPU."""

import numpy as np
import pytest

import millrace as tf

T = tf.contrib.tpu
_X = np.arange(4, dtype=np.float32)


def _both(a, b):
    return a + b, a * b


def _run(x):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x)


def test_rewrite_shard_replicate():
    x = tf.constant(_X)
    for made in (
        T.rewrite(_both, [x, x]),
        T.shard(_both, [x, x], num_shards=2),
        T.batch_parallel(_both, [x, x], 4),
    ):
        total, product = _run(made)
        np.testing.assert_array_equal(total, 2 * _X)
        np.testing.assert_array_equal(product, _X**2)
    assert len(T.replicate(_both, [[x, x]] * 3)) == 3
    first = T.shard(_both, [x, x], num_shards=2, outputs_from_all_shards=[True, False])
    assert [r.shape for r in _run(first)] == [(4,), (2,)]
    with pytest.raises(ValueError, match="num_shards"):
        T.shard(_both, [x, x], num_shards=0)
    with pytest.raises(TypeError, match="callable"):
        T.rewrite(3)


def test_training_loops():
    counter = tf.get_variable("c", [], initializer=tf.zeros_initializer())
    count = T.repeat(4, lambda: tf.assign_add(counter, 1.0).op)
    with tf.Session() as session:
        session.run(counter.initializer)
        session.run(count)
        assert session.run(counter) == 4
        assert session.run(T.while_loop(lambda i: i < 10, lambda i: i + 3, [tf.constant(0)])) == 12
    with pytest.raises(ValueError, match="tensors"):
        T.while_loop(lambda i: i < 10, lambda i: (i, i), [tf.constant(0)])


def test_feeding():
    queue = T.InfeedQueue(tuple_types=[tf.float32], tuple_shapes=[[4]])
    put = queue.split_inputs_and_generate_enqueue_ops([tf.constant(_X)])
    made = T.rewrite(lambda x: x + 1, [], infeed_queue=queue)
    back = T.outfeed_enqueue_tuple([made[0] if isinstance(made, list) else made])
    with tf.Session() as session:
        session.run(put)
        session.run(back)
        (got,) = session.run(T.outfeed_dequeue_tuple([tf.float32], [[4]]))
    np.testing.assert_array_equal(got, _X + 1)
    with pytest.raises(ValueError, match="two dequeue"):
        queue.generate_dequeue_op()


def test_topology_and_assignment():
    places = [[i, j, k] for i in range(2) for j in range(2) for k in range(2)]
    topology = T.Topology(mesh_shape=[2, 2, 2], device_coordinates=[places])
    again = T.Topology(topology.serialized())
    np.testing.assert_array_equal(again.device_coordinates, [places])
    made = T.device_assignment(again, num_replicas=8)
    np.testing.assert_array_equal(made.core_assignment[:, 0], places)
    assert made.tpu_device(1, job="w") == "/job:w/task:0/device:TPU:1"
    assert made.lookup_replicas(0, 0) == list(range(8))
    with pytest.raises(ValueError, match="fit"):
        T.device_assignment(topology, [3, 1, 1])
    assert (
        _run(T.initialize_system())
        == T.Topology(mesh_shape=[1] * 3, device_coordinates=[[[0] * 3]]).serialized()
    )


def test_errors_of_threads():
    rendezvous = T.python.tpu.error_handling.ErrorRendezvous(2)
    with rendezvous.catch_errors("a"):
        raise tf.errors.AbortedError(None, None, "aborted")
    with rendezvous.catch_errors("b"):
        raise KeyError("telling")
    with pytest.raises(KeyError, match="telling"):
        rendezvous.raise_errors()
