"""`tensor[key]` against NumPy's indexing of arrays."""

import sys

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


def _node(tensor):
    """What a StridedSlice says: its masks, by bit, and its static bounds."""
    op = tensor.op
    assert op.type == "StridedSlice"
    masks = [op.get_attr(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    bounds = [tf.contrib.util.constant_value(t) for t in op.inputs[1:]]
    return masks, [None if b is None else b.tolist() for b in bounds]


@pytest.mark.parametrize(
    ("key", "masks", "bounds"),
    [
        (np.s_[1], [0, 0, 0, 0, 1], [[1], [2], [1]]),
        (np.s_[-1], [0, 0, 0, 0, 1], [[-1], [0], [1]]),
        (np.s_[1:3], [0, 0, 0, 0, 0], [[1], [3], [1]]),
        (np.s_[:3], [1, 0, 0, 0, 0], [[0], [3], [1]]),
        (np.s_[1:], [0, 1, 0, 0, 0], [[1], [0], [1]]),
        (np.s_[::2], [1, 1, 0, 0, 0], [[0], [0], [2]]),
        (np.s_[:, 1], [1, 1, 0, 0, 2], [[0, 1], [0, 2], [1, 1]]),
        (np.s_[..., 1:], [0, 2, 1, 0, 0], [[0, 1], [0, 0], [1, 1]]),
        (np.s_[None, 2], [0, 0, 0, 1, 2], [[0, 2], [0, 3], [1, 1]]),
        (np.s_[0, ..., None], [0, 0, 2, 4, 1], [[0, 0, 0], [1, 0, 0], [1, 1, 1]]),
    ],
)
def test_what_a_key_becomes(key, masks, bounds):
    assert _node(tf.constant(_X)[key]) == (masks, bounds)


def test_a_missing_end_may_be_spelled_as_the_largest_index():
    x = tf.constant(_X)
    assert _node(x[0 : sys.maxsize]) == ([0, 1, 0, 0, 0], [[0], [0], [1]])
    assert x[0 : sys.maxsize].shape == [5, 4, 3]


def test_kinds_of_indices():
    with tf.Session() as session:
        x = tf.constant(_X)
        for key in (np.int64(1), np.array(1), True, tf.Dimension(1), tf.constant(1), np.uint8(1)):
            assert np.array_equal(session.run(x[key]), _X[1]), key
        assert np.array_equal(session.run(x[tf.Dimension(1) : tf.Dimension(3)]), _X[1:3])
        assert np.array_equal(session.run(x[[1, 2]]), _X[1, 2])  # a list is what a tuple is


@pytest.mark.parametrize(
    "key", [np.bool_(True), b"a", np.array([1]), np.float32(1), slice(1.0), slice(None, None, "a"), object()]
)
def test_kinds_that_are_not_indices(key):
    with pytest.raises(TypeError, match="are valid indices. Received: "):
        tf.constant(_X)[key]
    for wrong in (
        tf.constant(1.0),
        tf.constant(1, tf.int16),
        tf.constant([1]),
        tf.Variable([1], use_resource=True),
    ):
        with pytest.raises(TypeError, match="are valid indices. Received: "):
            tf.constant(_X)[wrong]


def test_bounds_of_mixed_kinds():
    """Plain integers are int32, wide ones int64; a tensor decides for those beside it."""
    x = tf.constant(_X)
    wide = tf.constant(1, tf.int64)
    assert {t.dtype for t in x[1:3].op.inputs[1:]} == {tf.int32}
    assert {t.dtype for t in x[np.int64(1) :].op.inputs[1:]} == {tf.int32}
    assert {t.dtype for t in x[: 2**31 - 1].op.inputs[1:]} == {tf.int32}
    assert {t.dtype for t in x[-(2**31) :].op.inputs[1:]} == {tf.int32}
    assert {t.dtype for t in x[: 2**31].op.inputs[1:]} == {tf.int64}
    assert {t.dtype for t in x[-(2**31) - 1 :].op.inputs[1:]} == {tf.int64}
    mixed = x[wide : tf.constant(3), 0]
    assert {t.dtype for t in mixed.op.inputs[1:]} == {tf.int64}
    assert [t.op.type for t in mixed.op.inputs[1:]] == ["Pack", "Cast", "Cast"]
    with tf.Session() as session:
        assert np.array_equal(session.run([x[: 2**31], mixed])[1], _X[1:3, 0])


def test_no_index_at_all():
    x = tf.constant(_X)
    with tf.Session() as session:
        assert np.array_equal(session.run(x[()]), _X) and x[()].shape == [5, 4, 3]
    assert _node(x[()]) == ([0, 0, 0, 0, 0], [[], [], []]) and len(set(x[()].op.inputs[1:])) == 1


def test_only_slices_of_variables_are_assigned_to():
    with pytest.raises(ValueError, match="only slices of variables"):
        tf.constant([1, 2])[0].assign(3)
    for resource in (False, True):
        v = tf.Variable([1, 2, 3, 4], use_resource=resource)
        by_default, named = v[1:3].assign([7, 8]), v[::3].assign([5, 6], name="named")
        assert "strided_slice" in by_default.name and "/_assign" in by_default.name
        assert named.name.startswith("named")
        with tf.Session() as session:
            session.run(v.initializer)
            session.run(by_default)
            assert session.run(v).tolist() == [1, 7, 8, 4]
            session.run(named)
            assert session.run(v).tolist() == [5, 7, 8, 6]


def test_masked_dimensions():
    with tf.Session() as session:
        x, some = tf.constant(_X), np.array([True, False, True, False])
        for axis, mask in ((0, _X[:, 0, 0] > 20), (1, some), (2, [True, True, False])):
            found = tf.boolean_mask(x, mask, axis=axis)
            wanted = np.compress(mask, _X, axis)
            assert np.array_equal(session.run(found), wanted)
            shape = [5, 4, 3]
            shape[axis] = None
            assert found.shape.as_list() == shape
        planes = _X[:, :, 0] % 2 == 0
        found = tf.boolean_mask(x, planes)
        assert np.array_equal(session.run(found), _X[planes]) and found.shape.as_list() == [None, 3]
        inner = tf.boolean_mask(x, _X[0] % 2 == 0, axis=1)
        assert np.array_equal(session.run(inner), _X[:, _X[0] % 2 == 0])
        assert np.array_equal(session.run(tf.boolean_mask([1, 2, 3], [1 == 1, False, True])), [1, 3])


def test_masks_of_tensors_of_unknown_shape():
    x, part = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [None, 4])
    mask, row = tf.placeholder(tf.bool, [None]), tf.placeholder(tf.bool, [4])
    flat = np.arange(12, dtype=np.float32).reshape(3, 4)
    with tf.Session() as session:
        rows = np.array([True, False, True])
        assert np.array_equal(session.run(tf.boolean_mask(x, mask), {x: flat, mask: rows}), flat[rows])
        found = tf.boolean_mask(part, row, axis=1)
        assert found.shape.as_list() == [None, None]
        some = np.array([True, False, False, True])
        assert np.array_equal(session.run(found, {part: flat, row: some}), flat[:, some])
    assert tf.boolean_mask(x, mask).shape.ndims is None


@pytest.mark.parametrize(
    ("mask", "axis", "message"),
    [
        (True, None, "mask cannot be scalar"),
        ([True], None, r"from axis 0 on. Received: mask \[1\], tensor \[5,4,3\]"),
        ([True] * 5, 1, "from axis 1 on"),
        (np.ones([5, 3], bool), None, r"mask \[5,3\]"),
        (np.ones([5, 4, 3, 1], bool), None, r"mask \[5,4,3,1\]"),
    ],
)
def test_masks_that_do_not_fit(mask, axis, message):
    with pytest.raises(ValueError, match=f"boolean_mask: .*{message}"):
        tf.boolean_mask(tf.constant(_X), mask, axis=axis)
    with pytest.raises(ValueError, match="known number of dimensions"):
        tf.boolean_mask(tf.constant(_X), tf.placeholder(tf.bool))


def test_a_slice_belongs_to_its_tensors_graph():
    x = tf.constant(_X)
    with tf.Graph().as_default():
        assert x[0].graph is x[x > 3].graph is x.graph
        assert tf.boolean_mask(x, [True] * 5).graph is x.graph
