"""The CTC functions around the operations."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import floats

_X = floats(6, 3, 5)
_PLACES, _LABELS = [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1]], np.int32([1, 1, 2, 0, 2])
_DENSE = np.int32([[1, 1], [2, 0], [0, 2]])
_LENGTHS, _STEPS = [2, 1, 2], [6, 5, 4]


def _run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


def test_time_may_be_the_second_axis():
    labels = tf.SparseTensor(_PLACES, _LABELS, [3, 2])
    first = tf.nn.ctc_loss(labels, _X, _STEPS)
    second = tf.nn.ctc_loss(labels, _X.swapaxes(0, 1), _STEPS, time_major=False)
    np.testing.assert_array_equal(*_run([first, second]))


@pytest.mark.parametrize("blank", [0, 2, 4, -1])
def test_any_class_may_be_blank_and_labels_dense(blank):
    # Moving the blank class of the logits, and counting labels past it, must not change the loss.
    place = blank % 5
    logits = np.insert(_X[:, :, :4], place, _X[:, :, 4], axis=2)
    shifted = np.where(_DENSE >= place, _DENSE + 1, _DENSE)
    sparse = tf.SparseTensor(_PLACES, [shifted[i, j] for i, j in _PLACES], [3, 2])
    want = tf.nn.ctc_loss(tf.SparseTensor(_PLACES, _LABELS, [3, 2]), _X, _STEPS)
    found = [
        tf.nn.ctc_loss_v2(shifted, logits, _LENGTHS, _STEPS, blank_index=blank),
        tf.nn.ctc_loss_v2(sparse, logits, None, _STEPS, blank_index=blank),
        tf.nn.ctc_loss_v2(shifted, logits.swapaxes(0, 1), _LENGTHS, _STEPS, False, blank_index=blank),
    ]
    want, *got = _run([want, *found])
    for loss in got:
        np.testing.assert_allclose(loss, want, rtol=1e-5)


def test_sparse_labels_need_to_say_which_class_is_blank():
    with pytest.raises(ValueError, match="blank_index must be given"):
        tf.nn.ctc_loss_v2(tf.SparseTensor(_PLACES, _LABELS, [3, 2]), _X, None, _STEPS)


def test_dense_labels_of_the_first_version_are_refused():
    with pytest.raises(TypeError, match="SparseTensor"):
        tf.nn.ctc_loss(_DENSE, _X, _STEPS)


def test_decoders_give_sparse_matrices():
    x = np.full((4, 1, 3), -5, np.float32)
    for step, best in enumerate([0, 0, 2, 1]):
        x[step, 0, best] = 5
    (greedy,), cost = tf.nn.ctc_greedy_decoder(x, [4])
    (beam,), logs = tf.nn.ctc_beam_search_decoder(x, [4], beam_width=4)
    found, search, cost, logs = _run([greedy, beam, cost, logs])
    assert found.values.tolist() == search.values.tolist() == [0, 1]
    assert found.dense_shape.tolist() == [1, 2]
    assert cost.tolist() == [[-20]]
    assert logs.shape == (1, 1)


def test_labels_found_twice_in_a_row_are_merged_if_asked_for():
    x = np.full((3, 1, 3), -5, np.float32)
    for step, best in enumerate([0, 2, 0]):
        x[step, 0, best] = 5
    merged = tf.nn.ctc_beam_search_decoder(x, [3], 4)[0][0]
    apart = tf.nn.ctc_beam_search_decoder_v2(x, [3], 4)[0][0]
    assert [v.values.tolist() for v in _run([merged, apart])] == [[0], [0, 0]]


def test_runs_collapse():
    values, lengths = _run(tf.nn.collapse_repeated([[1, 1, 2, 2, 1], [0, 3, 3, 0, 0]], [5, 3]))
    assert values.tolist() == [[1, 2, 1], [0, 3, 0]]
    assert lengths.tolist() == [3, 2]


def test_unique_labels():
    values, places = _run(tf.nn.ctc_unique_labels([[1, 1, 2, 2, 1], [3, 0, 3, 4, 0]]))
    assert values.tolist() == [[1, 2, 0, 0, 0], [3, 0, 4, 0, 0]]
    assert places.tolist() == [[0, 0, 1, 1, 0], [0, 1, 0, 2, 1]]
