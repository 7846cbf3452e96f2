"""What programs for TPUs ask of their module."""

import numpy as np
import pytest

import millrace as tf
from millrace.contributed.tpu.topology import Topology, get_tpu_context, tpu_shard_context

PLACES = [[[0, 0, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 1]]]


def test_a_topology_knows_its_devices():
    found = Topology(mesh_shape=[2, 1, 2], device_coordinates=PLACES)
    again = Topology(found.serialized())
    for one in (found, again):
        assert one.mesh_shape.tolist() == [2, 1, 2] and one.mesh_rank == 3
        assert one.num_tasks == 2 and one.num_tpus_per_task == 2
        assert np.array_equal(one.device_coordinates, PLACES)
    assert found.task_ordinal_at_coordinates([1, 0, 0]) == 1
    assert found.tpu_device_ordinal_at_coordinates([0, 0, 1]) == 1
    assert found.cpu_device_name_at_coordinates([1, 0, 1]) == "/task:1/device:CPU:0"
    assert found.tpu_device_name_at_coordinates([1, 0, 1], job="w") == "/job:w/task:1/device:TPU:1"
    assert tf.contrib.tpu.Topology is Topology


@pytest.mark.parametrize(
    ("mesh", "places"),
    [
        ([1, 1], PLACES),
        ([0, 1, 1], PLACES),
        ([2, 1, 2], PLACES[0]),
        ([1, 1, 1], PLACES),
        ([2, 1, 2], [[[0, 0]]]),
    ],
)
def test_what_is_not_a_topology_is_refused(mesh, places):
    with pytest.raises(ValueError, match="mesh_shape|device_coordinates"):
        Topology(mesh_shape=mesh, device_coordinates=places)


def test_the_context_of_replicas():
    assert get_tpu_context().number_of_shards is None
    with tpu_shard_context(3):
        assert get_tpu_context().number_of_shards == 3
        with pytest.raises(NotImplementedError), tpu_shard_context(2):
            pass
    assert get_tpu_context().number_of_shards is None


def test_the_sum_over_one_replica_is_the_value():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant([1.0, 2.0])
        y = tf.tpu.cross_replica_sum(x)
        assert y.op.type == "CrossReplicaSum" and y.op.inputs[1].op.name == "CrossReplicaSum/group_assignment"
        assert [v.tolist() for v in sess.run([y, tf.gradients(y, x)[0]])] == [[1.0, 2.0], [1.0, 1.0]]
