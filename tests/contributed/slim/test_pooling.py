"""Pools, experimental functions, lists of names."""

import sys
import types

import numpy as np
import pytest

import millrace as tf

slim = tf.contrib.slim


def test_pools():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
        largest = slim.pool(x, 2, "MAX", stride=2, outputs_collections="out")
        mean = slim.pool(x, [2, 2], "AVG", padding="SAME", dilation_rate=1, scope="here")
        np.testing.assert_array_equal(session.run(largest)[0, :, :, 0], [[5, 7], [13, 15]])
        assert mean.shape.as_list() == [1, 4, 4, 1]
        assert largest.op.name.startswith("max_pool/")
        assert mean.op.name.startswith("here/")
        assert tf.get_collection("out") == [largest]
        with pytest.raises(ValueError, match="Rank"):
            slim.pool(tf.placeholder(tf.float32), 2, "MAX")


def test_marks_and_names(monkeypatch):
    marked = slim.experimental(lambda x: x + 1)
    assert (marked(1), marked(2)) == (2, 3)
    assert "Experimental" in marked.__doc__
    module = types.ModuleType("listed", "@@first\n@@missing\n")
    module.first = 1
    monkeypatch.setitem(sys.modules, "listed", module)
    assert slim.make_all("listed") == ["first"]


def test_exports_of_tpu_estimators(tmp_path):
    calls = []

    class Estimator:
        def export_savedmodel(self, *args, **kwargs):
            calls.append((args, kwargs))
            return b"where"

    found = tf.contrib.tpu.export_estimator_savedmodel(Estimator(), str(tmp_path), len, checkpoint_path="c")
    assert found == b"where"
    assert calls[0][0][:2] == (str(tmp_path), len)
