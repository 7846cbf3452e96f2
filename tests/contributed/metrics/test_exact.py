"""Areas under curves of all predictions, with the numbers of TensorFlow 1.15.5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

M = tf.contrib.metrics
LABELS = [[1, 1, 0, 0, 1, 1], [0, 1, 0, 1, 1, 0]]
PREDICTIONS = [[0.3, 0.1, 0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.7, 0.2, 0.2]]
WEIGHTS = [0.5388168, 0.4191945, 0.6852195, 0.2044522, 0.8781174, 0.0273876]


def run(metric: Any, *batches: Any, **settings: Any) -> Any:
    """The value after some batches of labels, predictions and, perhaps, weights."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [tf.placeholder(d, [None]) for d in (tf.int64, tf.float32, tf.float32)[: len(batches[0])]]
        if len(fed) == 3:
            settings["weights"] = fed[2]
        value, update = metric(fed[0], fed[1], **settings)
        session.run(tf.local_variables_initializer())
        for batch in batches:
            feeds = dict(zip(fed, batch, strict=True))
            session.run(update, feeds)
        return session.run(value, feeds)


FIRST, SECOND = zip(LABELS, PREDICTIONS, strict=True)


@pytest.mark.parametrize(
    ("curve", "batches", "area"),
    [
        ("ROC", [FIRST], 0.8125),
        ("ROC", [SECOND], 0.61111),
        ("ROC", [(*FIRST, WEIGHTS)], 0.86168),
        ("PR", [FIRST], 0.92708),
        ("PR", [SECOND], 0.75),
        ("PR", [(*FIRST, WEIGHTS)], 0.94971),
        ("PR", [([0, 1], [0.6, 0.5])], 0.25),
        ("ROC", [([1], [0.3]), ([0, 1], [0.3, 0.1])], 0.25),
        ("ROC", [([1, 1], [0.5, 0.6])], 0.0),
        ("PR", [([0, 0], [0.5, 0.6])], 0.0),
    ],
)
def test_areas(curve, batches, area):
    assert run(M.streaming_dynamic_auc, *batches, curve=curve) == pytest.approx(area, abs=1e-5)


@pytest.mark.parametrize(
    ("batch", "settings", "wanted"),
    [
        (FIRST, {}, (0.8125, 0.25419, 0.98217)),
        (SECOND, {}, (0.61111, 0.14864, 0.93397)),
        (SECOND, {"logit_transformation": False}, (0.61111, 0.08891, 1.13331)),
        ((*FIRST, WEIGHTS), {"alpha": 0.9, "logit_transformation": False}, (0.86168, 0.47228, 1.25108)),
        (([0, 0, 1, 1], [0.1, 0.2, 0.5, 0.6]), {}, (1.0, 1.0, 1.0)),
        (([1, 1], [0.5, 0.6]), {}, (0.0, 0.0, 0.0)),
    ],
)
def test_confidence_intervals(batch, settings, wanted):
    found = run(M.auc_with_confidence_intervals, batch, **settings)
    assert found._fields == ("auc", "lower", "upper")
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_variables_collections_and_update():
    with tf.Graph().as_default(), tf.Session() as session:
        value, update = M.auc_with_confidence_intervals(
            [1, 0], [0.5, 0.2], metrics_collections=["m"], updates_collections=["u"], name="nm"
        )
        assert tf.get_collection("u") == [update] and tf.get_collection("m") == [value]
        assert [v.op.name for v in tf.local_variables()] == [
            "nm/concat_preds/array",
            "nm/concat_preds/size",
            "nm/concat_labels/array",
            "nm/concat_labels/size",
            "nm/concat_weights/array",
            "nm/concat_weights/size",
        ]
        session.run(tf.local_variables_initializer())
        assert session.run(update)


def test_refusals():
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="curve must be either ROC or PR. Received: XX"):
            M.streaming_dynamic_auc([1], [0.5], curve="XX")
        with pytest.raises(ValueError, match="alpha must be between 0 and 1. Received: 1.5"):
            M.auc_with_confidence_intervals([1], [0.5], alpha=1.5)
        with pytest.raises(ValueError, match="must agree"):
            M.streaming_dynamic_auc([1, 0, 1], [0.5, 0.2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be 0 or 1"):
        run(M.streaming_dynamic_auc, ([1, 3], [0.1, 0.2]))
