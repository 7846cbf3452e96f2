"""Reductions over the replicas of a program, all of them in one graph."""

import pytest

import millrace as tf
from millrace.ops.flow import replicas


@pytest.fixture
def tensors():
    with tf.Graph().as_default():
        found = []
        for i in range(2):
            with tf.device(f"/cpu:{i}"):
                found.append(tf.constant([1.0, 2.0 + i]))
        yield found


def _run(fetches):
    with tf.Session() as sess:
        return [v.tolist() for v in sess.run(fetches)]


@pytest.mark.parametrize(
    ("merge", "final", "value"),
    [("Add", "Div", [1.0, 2.5]), ("Add", "Id", [2.0, 5.0]), ("Mul", "Id", [1.0, 6.0]),
     ("Max", "Id", [1.0, 3.0]), ("Min", "Id", [1.0, 2.0])],
)  # fmt: skip
def test_each_member_gets_the_merged_tensors(tensors, merge, final, value):
    members = [replicas.all_reduce(t, 2, 1, 1, merge, final) for t in tensors]
    assert [m.device for m in members] == ["/device:CPU:0", "/device:CPU:1"]
    assert {m.op.type for m in members} == {"CollectiveReduce"}
    assert _run(members) == [value, value]


def test_a_group_is_complete_or_fails(tensors):
    alone = replicas.all_reduce(tensors[0], 2, 1, 1, "Add", "Id")
    with pytest.raises(tf.errors.InvalidArgumentError, match="2 members"):
        _run([alone])
    replicas.all_reduce(tensors[1], 2, 1, 1, "Add", "Id")
    with pytest.raises(ValueError, match="already"):
        replicas.all_reduce(tensors[1], 2, 1, 1, "Add", "Id")
    with pytest.raises(ValueError, match="at least 2"):
        replicas.all_reduce(tensors[0], 1, 2, 1, "Add", "Id")
    with pytest.raises(ValueError, match="Device"):
        replicas.all_reduce(tf.constant(1.0), 2, 2, 1, "Add", "Id")


def test_tensors_of_several_devices(tensors):
    assert _run(replicas.all_sum(tensors)) == [[2.0, 5.0]] * 2
    assert _run(replicas.all_prod(tensors)) == [[1.0, 6.0]] * 2
    assert _run(replicas.all_min(tensors)) == [[1.0, 2.0]] * 2
    assert _run(replicas.all_max(tensors)) == [[1.0, 3.0]] * 2
    assert _run([replicas.reduce_sum(tensors), replicas.broadcast(tensors[1])]) == [[2.0, 5.0], [1.0, 3.0]]
    for wrong in ([], [tf.constant(1.0)], [tensors[0], tensors[0]]):
        with pytest.raises(ValueError, match="Must pass|Device|same device"):
            replicas.all_sum(wrong)
    with pytest.raises(ValueError, match="Must pass"):
        replicas.reduce_sum([])
    with pytest.raises(ValueError, match="Device"):
        replicas.broadcast(tf.constant(1.0))
