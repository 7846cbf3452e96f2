"""Matching by distance, areas of pixels, periodic resampling; numbers of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats

_DISTANCES = np.float32([[0.1, 0.9, 0.3], [0.4, 0.2, 0.6], [-1.0, 0.5, 0.05]])
_PICTURE = np.array([[[1, 0, 1, 1], [1, 0, 0, 1], [0, 2, 2, 0]], [[1, 1, 1, 0], [2, 2, 1, 0], [2, 0, 1, 1]]])
_AREAS = [[[1, 0, 2, 2], [1, 0, 0, 2], [0, 3, 3, 0]], [[4, 4, 4, 0], [5, 5, 4, 0], [5, 0, 4, 4]]]


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


class TestMatching(OpSuite):
    cases = (
        OpCase("BipartiteMatch", [_DISTANCES, np.float32(-1)], lambda *_: (np.int32([2, 1, 0]),) * 2),
        OpCase("ImageConnectedComponents", [_PICTURE.astype(np.int32)], lambda x: np.array(_AREAS)),
        OpCase("PeriodicResample", [floats(3, 4)], lambda x, **_: x.reshape(6, 2), shape=[6, None]),
        OpCase(
            "PeriodicResampleOpGrad",
            [floats(6, 2)],
            lambda x, **_: x.reshape(3, 4),
            original_values_shape=[3, 4],
            desired_shape=[6, None],
        ),
    )


@pytest.mark.parametrize(
    ("valid", "top_k", "rows", "columns"),
    [
        (2.0, 2, [0, 1, -1], [0, 1, -1]),
        (-1.0, 1, [-1, -1, 0], [2, -1, -1]),
        (0.0, -1, [-1, -1, -1], [-1, -1, -1]),
        (1.0, 5, [0, -1, -1], [0, -1, -1]),
    ],
)
def test_pairs(session, valid, top_k, rows, columns):
    pair = session.run(tf.contrib.image.bipartite_match(_DISTANCES, valid, top_k))
    assert [x.tolist() for x in pair] == [rows, columns]


def test_more_rows_than_there_are(session):
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 5 rows"):
        session.run(tf.contrib.image.bipartite_match(_DISTANCES, 5.0))


def test_areas_of_any_kind_of_pixel(session):
    f = tf.contrib.image.connected_components
    assert session.run(f([[b"a", b"a", b""], [b"b", b"a", b""]])).tolist() == [[1, 1, 0], [2, 1, 0]]
    assert session.run(f([[True, False, True], [False, True, True]])).tolist() == [[1, 0, 2], [0, 2, 2]]
    assert session.run(f([[1.5, 1.5, 0.0], [0.0, 1.5, 2.0]])).tolist() == [[1, 1, 0], [0, 1, 2]]
    assert f(tf.placeholder(tf.int32, [None, 3])).dtype == tf.int32
    with pytest.raises(TypeError, match="rank 2 or 3"):
        f([1, 0])


def test_a_long_winding_area_is_one(session):
    snake = np.ones([41, 60], np.uint8)
    snake[1::4, :-1] = snake[3::4, 1:] = 0
    assert session.run(tf.contrib.image.connected_components(snake)).max() == 1


def test_resampled_periods(session):
    f = tf.contrib.periodic_resample.periodic_resample
    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    assert session.run(f(x, [None, 7])).tolist() == [[0, 4, 1, 5, 2, 6, 3]]
    assert session.run(f(x, [5, None])).ravel().tolist() == list(range(10))
    y = np.arange(64).reshape(2, 4, 8)
    first = session.run(f(y, [4, 8, None]))
    assert first.shape == (4, 8, 2) and first[:2, :2].ravel().tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    rows = session.run(f(y, [3, 5, None]))[0, :, 0].tolist()
    assert rows == [0, 8, 8, 16, 16]
    assert session.run(f(y, [None, 4, 16]))[0, 0, :4].tolist() == [0, 32, 1, 33]
    for shape in ([6, 2], [None, None], [None], [None, 2]):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match="periodic_resample"):
            session.run(f(x, shape))


def test_gradients_of_resampled_periods(session):
    x = tf.constant(np.arange(12.0, dtype=np.float32).reshape(3, 4))
    y = tf.contrib.periodic_resample.periodic_resample(x, [5, None])
    assert session.run(tf.gradients(y, x)[0]).ravel().tolist() == [1] * 10 + [0] * 2
    beyond = raw.PeriodicResample(tf.ones([2, 4, 8]), shape=[None, 6, 9])
    assert session.run(beyond).shape == (1, 6, 9)
