"""`tensordot` and `einsum` against NumPy."""

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def _array(*shape):
    return np.random.default_rng([*shape]).normal(size=shape)


def _placeholders(arrays, known):
    return [tf.placeholder(tf.float64, a.shape if known else [None] * a.ndim) for a in arrays]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("axes", [0, 2, [[2], [1]], [[1, 2], [0, 1]], [[0], [2]], [0, 2], [[-1, 0], [1, 2]]])
def test_tensordot(session, axes, known):
    arrays = _array(4, 2, 3), _array(2, 3, 4)
    tensors = _placeholders(arrays, known)
    result = tf.tensordot(*tensors, axes)
    value = session.run(result, dict(zip(tensors, arrays)))
    want = np.tensordot(*arrays, axes)
    np.testing.assert_allclose(value, want)
    assert result.shape.is_compatible_with(want.shape) and result.shape.ndims == want.ndim


def test_tensordot_refusals():
    a = tf.zeros([2, 3])
    for axes, match in (
        (-1, "at least 0"),
        (3, "not be larger"),
        ([[0]], "length 2"),
        ([[0], [0, 1]], "as many"),
    ):
        with pytest.raises(ValueError, match=match):
            tf.tensordot(a, a, axes)


_EQUATIONS = (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ijk->kj", (2, 3, 4)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("i,j->ij", (2,), (3,)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bthd,bshd->bhts", (2, 3, 4, 5), (2, 6, 4, 5)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ab,cb,db->acd", (2, 3), (4, 3), (5, 3)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("ij,k", (2, 3), (4,)),
    ("ij,jk->ij", (2, 3), (3, 4)),
    (" a b , b c -> a c ", (2, 3), (3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,jk", (5, 2, 3), (3, 4)),
    ("...ij->...", (2, 3, 4)),
)


@pytest.mark.parametrize("equation,shapes", [(e, s) for e, *s in _EQUATIONS], ids=[e[0] for e in _EQUATIONS])
def test_einsum(session, equation, shapes):
    arrays = [_array(*s) for s in shapes]
    want = np.einsum(equation, *arrays)
    for known in (True, False):
        tensors = _placeholders(arrays, known)
        result = tf.einsum(equation, *tensors)
        weights = np.cos(np.arange(want.size)).reshape(want.shape)
        gradients = tf.gradients(result, tensors, tf.constant(weights))
        value, *slopes = session.run([result, *gradients], dict(zip(tensors, arrays)))
        np.testing.assert_allclose(value, want, atol=1e-12)
        for array, slope in zip(arrays, slopes):
            nudged = [a + 1e-6 * np.ones_like(a) if a is array else a for a in arrays]
            difference = np.sum((np.einsum(equation, *nudged) - want) * weights) / 1e-6
            np.testing.assert_allclose(slope.sum(), difference, atol=1e-4)


def test_einsum_refusals():
    a = tf.zeros([2, 3])
    for equation, inputs, match in (
        ("ij,jk->ik", [a], "Got 1 arguments"),
        ("ii->i", [tf.zeros([3, 3])], "more than once"),
        ("ij->ik", [a], "Invalid equation"),
        ("ij->ii", [a], "Invalid equation"),
        ("i1->i", [a], "incorrect format"),
        ("ijk->i", [a], "rank 2"),
    ):
        with pytest.raises(ValueError, match=match):
            tf.einsum(equation, *inputs)
    with pytest.raises(TypeError, match="keyword"):
        tf.einsum("ij->ji", a, axis=1)


def test_names():
    with tf.Graph().as_default():
        x, y = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [3, 2])
        assert tf.tensordot(x, y, 1).name == "Tensordot:0"
        assert tf.einsum("ij,jk->ik", x, y).name == "einsum/MatMul:0"
        assert tf.einsum("ij,jk->ik", x, y, name="e").name == "e/MatMul:0"


def test_einsum_of_unknown_lengths_adds_as_many_operations_as_in_1_15() -> None:
    counts = []
    for equation, shapes in (
        ("ijk,kl->ijl", [(None, 6, 4), (4, 4)]),
        ("bij,bjk->bik", [(None, 3, 4), (None, 4, 5)]),
        ("bhqd,bhkd->bhqk", [(None, 2, 3, 4), (None, 2, 5, 4)]),
        ("BFND,NDH->BFH", [(None, None, 2, 3), (2, 3, 6)]),
    ):
        with tf.Graph().as_default() as graph:
            found = tf.einsum(equation, *[tf.placeholder(tf.float32, s) for s in shapes])
            counts.append((len(graph.get_operations()), found.shape.as_list()))
    assert counts == [
        (19, [None, 6, 4]),
        (25, [None, 3, 5]),
        (30, [None, 2, 3, 5]),
        (27, [None, None, 6]),
    ]
