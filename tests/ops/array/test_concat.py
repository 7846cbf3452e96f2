"""Joining and splitting against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_A, _B = floats(2, 3, 4), floats(2, 2, 4)
_I = ints(2, 3)


def _offsets(axis, shapes):
    starts = np.cumsum([0, *[s[axis] for s in shapes[:-1]]])
    found = []
    for start, s in zip(starts, shapes):
        offset = np.zeros(len(s), np.int32)
        offset[axis] = start
        found.append(offset)
    return found


class TestConcat(OpSuite):
    """Concat, stack, unstack, split."""

    cases = (
        OpCase("ConcatV2", [(_A, _B, _A), 1], lambda v, a: np.concatenate(v, 1)),
        OpCase("ConcatV2", [(_A, _A), -3], lambda v, a: np.concatenate(v, 0)),
        OpCase("ConcatV2", [(_I, _I), np.int64(1)], lambda v, a: np.concatenate(v, 1)),
        OpCase("Concat", [1, (_A, _B)], lambda a, v: np.concatenate(v, 1)),
        OpCase("ConcatOffset", [1, (np.int32([2, 3, 4]), np.int32([2, 2, 4]))], _offsets),
        OpCase("Pack", [(_A, _A)], lambda v: np.stack(v)),
        OpCase("Pack", [(_A, _A)], lambda v: np.stack(v, -1), axis=-1),
        OpCase("Pack", [(np.float32(1), np.float32(2))], lambda v: np.stack(v)),
        OpCase("Unpack", [_A], list, num=2),
        OpCase("Unpack", [_A], lambda x: [x[:, i] for i in range(3)], num=3, axis=1),
        OpCase("ParallelConcat", [(_A[:1], _A[1:])], lambda v: np.concatenate(v), shape=[2, 3, 4]),
        OpCase("Split", [2, _A], lambda a, x: np.split(x, 2, 2), num_split=2),
        OpCase("Split", [-2, _A], lambda a, x: np.split(x, 3, 1), num_split=3),
        OpCase("Split", [0, _I], lambda a, x: [x], num_split=1),
        OpCase("SplitV", [_A, [1, 0, 2], 1], lambda x, s, a: np.split(x, [1, 1], 1), num_split=3),
        OpCase("SplitV", [_A, np.int64([1, -1]), 2], lambda x, s, a: np.split(x, [1], 2), num_split=2),
    )


def test_static_shapes():
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.placeholder(tf.float32, [4, None])
    assert tf.concat([x, y], 0).shape.as_list() == [None, 3]
    assert tf.stack([x, y]).shape.as_list() == [2, 4, 3]
    assert [t.shape.as_list() for t in tf.split(x, 3, 1)] == [[None, 1]] * 3
    assert [t.shape.as_list() for t in tf.split(y, [1, -1], 0)] == [[1, None], [3, None]]
    assert [t.shape.as_list() for t in tf.unstack(y)] == [[None]] * 4


def test_partly_known_shapes_pass_through():
    x = tf.placeholder(tf.float32, [None, 3])
    joined = tf.concat([tf.shape(x)[:1], [4], tf.shape(x)[1:]], 0)
    assert tf.zeros(joined).shape.as_list() == [None, 4, 3]


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.concat([tf.zeros([2, 3]), tf.zeros([2, 4])], 0),
        lambda: tf.concat([tf.zeros([]), tf.zeros([])], 0),
        lambda: tf.stack([tf.zeros([2]), tf.zeros([3])]),
        lambda: tf.stack([tf.zeros([2])], axis=3),
        lambda: tf.split(tf.zeros([5]), 2),
        lambda: tf.split(tf.zeros([5]), [2, 2]),
        lambda: tf.unstack(tf.placeholder(tf.float32)),
    ],
)
def test_misfits_are_refused_while_building(build):
    with pytest.raises(ValueError):
        build()


def test_names():
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    assert tf.stack([x, x]).op.name == "stack"
    assert [t.name for t in tf.unstack(x)] == ["unstack:0", "unstack:1"]
    assert tf.concat([x, x], 1).op.inputs[2].name == "concat/axis:0"
    assert tf.split(x, 3, 1)[0].op.inputs[0].name == "split/split_dim:0"


def test_strings():
    with tf.Session() as session:
        a = tf.constant(["a", "b"])
        assert session.run(tf.concat([a, a[:1]], 0)).tolist() == [b"a", b"b", b"a"]
        assert session.run(tf.stack([a[0], a[1]])).tolist() == [b"a", b"b"]
        assert session.run(tf.unstack(a)) == [b"a", b"b"]
        one = tf.placeholder(tf.string, [])
        assert session.run(tf.stack([one, one]), {one: "x"}).tolist() == [b"x", b"x"]
