"""`tensor[key]` against NumPy's indexing of arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import millrace as tf

_X = np.arange(60, dtype=np.float32).reshape(5, 4, 3)


def _index(length):
    places = st.integers(-length, length - 1)
    bounds = st.none() | st.integers(-length - 2, length + 2)
    return places | st.builds(slice, bounds, bounds, st.none() | st.sampled_from([1, 2, -1, -2]))


@st.composite
def _keys(draw):
    key = [draw(_index(n)) for n in _X.shape[: draw(st.integers(0, 3))]]
    if draw(st.booleans()):
        key.append(Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        key.insert(draw(st.integers(0, len(key))), None)
    return tuple(key)


@settings(max_examples=200, deadline=None)
@given(_keys())
def test_keys_mean_what_they_mean_to_numpy(key):
    with tf.Graph().as_default(), tf.Session() as session:
        for x, feed in ((tf.constant(_X), {}), (y := tf.placeholder(tf.float32), {y: _X})):
            part = x[key]
            value = session.run(part, feed)
            assert part.shape.is_compatible_with(value.shape)
            assert np.array_equal(value, _X[key])
        assert tf.constant(_X)[key].shape == _X[key].shape


def test_names():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [5, 4], name="x")
        assert x[0].name == "strided_slice:0"
        i = tf.constant(1, name="i")
        _ = x[i, 2]
        names = [op.name for op in graph.get_operations()]
    assert names[:5] == [
        "x",
        "strided_slice/stack",
        "strided_slice/stack_1",
        "strided_slice/stack_2",
        "strided_slice",
    ]
    assert "strided_slice_1/stack/1" in names and "add" in names


def test_tensors_as_indices():
    with tf.Graph().as_default(), tf.Session() as session:
        x, i = tf.constant(_X), tf.placeholder(tf.int32, [])
        found = session.run([x[i], x[i:], x[:i, ::2], x[i, 1], x[::i], x[tf.constant(1, tf.int64)]], {i: 2})
        for got, want in zip(found, (_X[2], _X[2:], _X[:2, ::2], _X[2, 1], _X[::2], _X[1])):
            assert np.array_equal(got, want)
        assert x[i, 1].shape == [3] and x[:i, ::2].shape.as_list() == [None, 2, 3]


def test_masks():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(_X)
        assert np.array_equal(session.run(x[x > 30]), _X[_X > 30])
        assert np.array_equal(session.run(x[_X[:, 0, 0] > 20]), _X[_X[:, 0, 0] > 20])


@pytest.mark.parametrize("key", [1.5, "a", np.array([0, 1]), (0, [1])])
def test_what_is_no_index(key):
    with pytest.raises(TypeError, match="valid indices"):
        tf.constant(_X)[key]


@pytest.mark.parametrize("key", [5, (0, 4), (0, 0, 0, 0), (..., ...), np.s_[::0]])
def test_what_does_not_fit(key):
    with pytest.raises(ValueError, match="StridedSlice"):
        tf.constant(_X)[key]
