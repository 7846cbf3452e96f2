"""The public functions of sparse tensors against results recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf
from lib.golden_programs import check, programs

pytestmark = pytest.mark.filterwarnings("ignore:An IndexedSlices becomes a dense tensor")


@pytest.mark.parametrize("program", programs("sparse"))
def test_agrees_with_tensorflow(program):
    check(program)


def test_adjoints_conjugate():
    values = np.complex64([1 + 2j, 3 - 1j])
    dense = np.complex64([[1 + 1j, 2], [0, 1j]])
    matrix = np.array([[0, values[0]], [values[1], 0]])
    sparse = tf.SparseTensor([[0, 1], [1, 0]], values, [2, 2])
    with tf.Session() as session:
        got = session.run(tf.sparse_tensor_dense_matmul(sparse, dense, adjoint_a=True))
    np.testing.assert_allclose(got, matrix.conj().T @ dense)


def test_placeholder_keeps_what_is_known_of_the_shape():
    x = tf.sparse_placeholder(tf.float32, [None, 3])
    assert x.indices.shape.as_list() == [None, 2]
    with tf.Session() as session:
        value = tf.SparseTensorValue([[0, 1]], [2.0], [4, 3])
        assert session.run(tf.sparse_tensor_to_dense(x), {x: value}).shape == (4, 3)


def test_gradients_pass_through_pieces():
    values = tf.placeholder(tf.float64, [4])
    x = tf.SparseTensor([[0, 1], [0, 3], [1, 0], [2, 3]], values, [3, 4])
    pieces = tf.sparse_split(sp_input=x, num_split=2, axis=1)
    joined = tf.sparse_concat(0, [*pieces, tf.sparse_reorder(pieces[0])])
    slopes = tf.gradients(joined.values * np.float64([1, 2, 3, 4, 5, 6]), values)
    with tf.Session() as session:
        # the first piece holds values 0 and 2 and comes twice, the second 1 and 3
        np.testing.assert_allclose(session.run(slopes[0], {values: np.ones(4)}), [1 + 5, 3, 2 + 6, 4])


def test_a_permutation_names_each_dimension():
    x = tf.SparseTensor([[0, 1]], [1.0], [2, 3])
    assert tf.sparse_transpose(x, [-1, 0]).shape == [3, 2]
    for perm, error in (
        ([0, 2], IndexError),
        ([0, 1, 2], IndexError),
        ([0], ValueError),
        ([-3, 0], IndexError),
    ):
        with pytest.raises(error, match="sparse_transpose: perm must name"):
            tf.sparse_transpose(x, perm)
