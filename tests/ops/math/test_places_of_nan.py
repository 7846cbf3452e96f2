"""NaN among the numbers of which the largest is sought, and as a place in an image."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

NAN = np.nan


@pytest.mark.parametrize("tier", ["interpret", pytest.param("compile", marks=pytest.mark.xla)])
@pytest.mark.parametrize(
    ("row", "place"),
    [([NAN, 1.0, 3.0], 2), ([3.0, NAN, 3.0], 0), ([NAN, NAN, NAN], 0), ([NAN, -np.inf, NAN], 1)],
)
def test_top_k_of_one_passes_over_nan(row, place, tier, monkeypatch) -> None:
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x = tf.placeholder(tf.float32, [3])
    with tf.Session() as sess:
        values, indices = sess.run(tf.nn.top_k(x, 1), {x: row})
    assert indices.tolist() == [place]
    np.testing.assert_array_equal(values, [np.float32(row[place])])


def test_a_box_whose_side_is_nan_has_no_line_there() -> None:
    boxes = tf.constant([[[NAN, 0.1, 0.5, 0.5], [-np.inf, 0.0, np.inf, 1.0]]])
    with tf.Session() as sess:
        drawn = sess.run(tf.image.draw_bounding_boxes(tf.zeros([1, 7, 9, 1]), boxes))[0, ..., 0]
    assert sorted(zip(*np.nonzero(drawn), strict=True)) == [
        (0, 0), (0, 4), (1, 0), (1, 4), (2, 0), (2, 4), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4),
    ]  # fmt: skip
