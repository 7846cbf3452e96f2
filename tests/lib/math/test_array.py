"""Composed array functions against NumPy."""

import logging

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_sequence_mask(session):
    want = np.arange(4) < np.array([[1], [3], [0]])
    assert np.array_equal(session.run(tf.sequence_mask([1, 3, 0], 4)), want)
    assert np.array_equal(session.run(tf.sequence_mask([1, 3, 0])), want[:, :3])
    assert tf.sequence_mask([1, 3, 0], 4, tf.float32).dtype == tf.float32
    with pytest.raises(ValueError, match="scalar"):
        tf.sequence_mask([1], [2])


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(session, indexing):
    vectors = [np.arange(n, dtype=np.float32) for n in (2, 3, 4)]
    for got, want in zip(
        session.run(tf.meshgrid(*vectors, indexing=indexing)), np.meshgrid(*vectors, indexing=indexing)
    ):
        assert np.array_equal(got, want)
    with pytest.raises(ValueError, match="indexing"):
        tf.meshgrid([1], indexing="zz")


def test_eye(session):
    assert np.array_equal(session.run(tf.eye(2, 3)), np.eye(2, 3))
    assert np.array_equal(session.run(tf.eye(2, batch_shape=[2], dtype=tf.int32)), np.stack([np.eye(2)] * 2))
    size = tf.placeholder(tf.int32, [])
    assert np.array_equal(session.run(tf.eye(size), {size: 3}), np.eye(3))


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int8, np.uint8])
def test_sort_and_argsort(session, axis, dtype):
    x = np.random.default_rng(0).permutation(60).reshape(3, 4, 5).astype(dtype)
    if dtype == np.int8:
        x.reshape(-1)[:2] = -128, 127
    assert np.array_equal(session.run(tf.sort(x, axis)), np.sort(x, axis))
    assert np.array_equal(session.run(tf.sort(x, axis, "DESCENDING")), np.flip(np.sort(x, axis), axis))
    assert np.array_equal(session.run(tf.argsort(x, axis)), np.argsort(x, axis, kind="stable"))
    unknown = tf.placeholder(x.dtype)
    assert np.array_equal(session.run(tf.sort(unknown, axis), {unknown: x}), np.sort(x, axis))


def test_sort_refuses(session):
    with pytest.raises(ValueError, match="direction"):
        tf.sort([1], direction="UP")
    with pytest.raises(ValueError, match="axis"):
        tf.sort([1], axis=1)


def test_repeat(session):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for repeats, axis in ((2, None), (2, 0), ([1, 2], 0), ([0, 2, 1], 1), ([3], -1)):
        assert np.array_equal(session.run(tf.repeat(x, repeats, axis)), np.repeat(x, repeats, axis)), (
            repeats,
            axis,
        )


def test_boolean_mask(session):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    mask = np.array([[True, False, True], [False, False, True]])
    assert np.array_equal(session.run(tf.boolean_mask(x, mask)), x[mask])
    assert np.array_equal(session.run(tf.boolean_mask(x, mask[0], axis=1)), x[:, mask[0]])
    assert tf.boolean_mask(tf.zeros([2, 3, 4]), mask).shape.as_list() == [None, 4]
    for bad in (True, [True, False, True]):
        with pytest.raises(ValueError, match="mask"):
            tf.boolean_mask(x, bad)


def test_required_space_to_batch_paddings(session):
    want = [[[0, 1], [0, 2]], [[0, 1], [0, 2]]]
    assert np.array_equal(session.run(tf.required_space_to_batch_paddings([5, 7], [2, 3])), want)
    lengths = tf.placeholder(tf.int32, [2])
    found = tf.required_space_to_batch_paddings(lengths, [2, 3], [[1, 0], [0, 0]])
    assert np.array_equal(session.run(found, {lengths: [5, 7]}), [[[1, 0], [0, 2]], [[0, 0], [0, 2]]])


def test_is_tensor():
    assert tf.is_tensor(tf.constant(1)) and tf.is_tensor(tf.Variable(1))
    assert not tf.is_tensor(1) and not tf.is_tensor(np.zeros(2)) and not tf.is_tensor([tf.constant(1)])


def test_old_names_say_so_once(session, caplog):
    logger = logging.getLogger("tensorflow")
    before, logger.propagate = logger.propagate, True
    try:
        with caplog.at_level(logging.WARNING, "tensorflow"):
            for _ in range(2):
                packed = tf.pack([[1, 2], [3, 4]])
                parts = tf.unpack(packed)
                tf.concat_v2([packed, packed], 0)
    finally:
        logger.propagate = before
    assert len(parts) == 2
    said = [r.getMessage() for r in caplog.records if "is an old name" in r.getMessage()]
    assert len(said) == len(set(said)) <= 3


@pytest.mark.parametrize("kept", [1, "yes", tf.constant])
def test_whether_axes_are_kept_is_a_bool(kept):
    with pytest.raises(TypeError, match="must be a bool"):
        tf.reduce_sum([1.0], keepdims=kept)


def test_a_function_of_a_sparse_tensor_has_the_second_name():
    sparse = tf.SparseTensor([[0, 1]], [4.0], [2, 2])
    assert tf.sqrt(sparse).values.op.name == "Sqrt_1"
    assert tf.abs(sparse, name="size").values.op.name == "size_1"


def test_names_of_what_is_converted():
    with tf.Graph().as_default() as graph:
        tf.transpose([[1.0]], name=None)
        tf.where([True], name="where")
        tf.trace([[1.0]])
        tf.one_hot([0], 3, on_value=2.0)
        names = [op.name for op in graph.get_operations()]
    assert names == [
        *("transpose/a", "transpose/perm", "transpose"),
        *("where/condition", "where"),
        *("Trace/x", "Trace/diag_part", "Trace/reduction_indices", "Trace"),
        *(
            "one_hot/Const",
            "one_hot/off_value",
            "one_hot/indices",
            "one_hot/depth",
            "one_hot/on_value",
            "one_hot",
        ),
    ]


def test_the_norm_of_nothing():
    clipped, norm = tf.clip_by_global_norm([None, None], 1.0)
    with tf.Session() as session:
        assert clipped == [None, None] and session.run(norm) == 0.0


def test_names_inside_scopes():
    with tf.Graph().as_default():
        found = tf.nn.embedding_lookup(np.ones([2, 2]), [1])
        assert found.op.inputs[0].op.inputs[0].op.name == "embedding_lookup/params_0"
        assert tf.nn.in_top_k([[0.1, 0.9]], [1], 1, name="hit").op.name == "hit/hit"
        assert tf.layers.flatten(tf.ones([1, 2, 3]), name="").op.name == "flatten/Reshape"


def test_moments_over_everything():
    with tf.Session() as session:
        assert session.run(tf.nn.moments(tf.constant([[1.0, 3.0]]), None)) == (2.0, 1.0)
