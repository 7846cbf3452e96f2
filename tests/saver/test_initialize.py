"""Variables that begin with values of a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def path(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(np.arange(6, dtype="f").reshape(3, 2), name="old/w")
        tf.Variable([5.0, 6.0], name="old/b")
        tf.Variable(np.arange(6, dtype="f"), name="whole")
        sess.run(tf.global_variables_initializer())
        return tf.train.Saver().save(sess, str(tmp_path / "m"))


def build(use_resource):
    with tf.variable_scope("new"):
        w = tf.get_variable("w", [3, 2], use_resource=use_resource)
        b = tf.get_variable("b", [2], use_resource=use_resource)
    parts = tf.get_variable("p", [6], partitioner=tf.fixed_size_partitioner(2), use_resource=use_resource)
    return w, b, parts


@pytest.mark.parametrize("use_resource", [False, True])
def test_scopes_variables_and_parts(path, use_resource):
    with tf.Graph().as_default(), tf.Session() as sess:
        w, b, parts = build(use_resource)
        tf.train.init_from_checkpoint(path, {"old/": "new/", "whole": "p"})
        sess.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(sess.run(w), np.arange(6).reshape(3, 2))
        np.testing.assert_array_equal(sess.run(b), [5, 6])
        np.testing.assert_array_equal(sess.run(tf.convert_to_tensor(parts)), np.arange(6))


def test_what_is_not_there(path):
    with tf.Graph().as_default():
        w, _, _ = build(False)
        for wrong in ({"old/x": w}, {"old/b": w}, {"old/w": "none"}, {"none/": "new/"}):
            with pytest.raises(ValueError, match="not found|doesn't match|scope"):
                tf.train.init_from_checkpoint(path, wrong)
        with pytest.raises(ValueError, match="nearest keys are old/w"):
            tf.train.init_from_checkpoint(path, {"old/ww": w})
        with pytest.raises(TypeError):
            tf.train.init_from_checkpoint(path, {"old/w": 3})


def test_warm_start(path):
    with tf.Graph().as_default(), tf.Session() as sess:
        w, b, _ = build(False)
        tf.train.warm_start(path, "new", None, {"new/w": "old/w", "new/b": "old/b"})
        sess.run([w.initializer, b.initializer])
        np.testing.assert_array_equal(sess.run(b), [5, 6])
        with pytest.raises(ValueError, match="warm_start"):
            tf.train.warm_start(path, "new/w", None, {"x": "old/w", "new/w": "old/w"})
        for wrong in (3, [3]):
            with pytest.raises(ValueError, match="warm_start"):
                tf.train.warm_start(path, wrong)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("parts", [1, 2])
def test_warm_start_follows_a_vocabulary(tmp_path, path, axis, parts):
    (tmp_path / "old").write_text("a\nb\nc\n" if axis == 0 else "a\nb\n")
    (tmp_path / "new").write_text("c\nx\na\n")
    old = np.arange(6, dtype="f").reshape(3, 2)
    if axis == 0:
        want = np.vstack([old[2], [1, 1], old[0], [1, 1]])
    else:
        want = np.stack([np.ones(3), np.ones(3), old[:, 0], np.ones(3)], axis=1)
    with tf.Graph().as_default(), tf.Session() as sess:
        cut = tf.fixed_size_partitioner(parts) if parts > 1 else None
        w = tf.get_variable("w", want.shape, partitioner=cut)
        words = tf.train.VocabInfo(
            str(tmp_path / "new"),
            3,
            1,
            str(tmp_path / "old"),
            axis=axis,
            backup_initializer=tf.ones_initializer(),
        )
        tf.train.warm_start(path, "w", {"w": words}, {"w": "old/w"})
        sess.run([v.initializer for v in tf.global_variables()])
        np.testing.assert_array_equal(sess.run(tf.convert_to_tensor(w)), want)


def test_matrices_that_do_not_fit(tmp_path, path):
    (tmp_path / "old").write_text("a\n")
    with tf.Graph().as_default(), tf.Session() as sess:
        raw = tf.raw_ops
        rows_of = {"old/w": [([0, 0], 2), ([9], 1), ([0], 2), ([-1], 1)], "whole": [([0], 1)]}
        for name, rows, count in [(name, *case) for name, cases in rows_of.items() for case in cases]:
            op = raw.LoadAndRemapMatrix(
                ckpt_path=path,
                old_tensor_name=name,
                row_remapping=tf.constant(rows, tf.int64),
                col_remapping=tf.constant([], tf.int64),
                initializing_values=[],
                num_rows=count,
                num_cols=2,
            )
            with pytest.raises(tf.errors.InvalidArgumentError, match="LoadAndRemapMatrix"):
                sess.run(op)
        file = str(tmp_path / "old")
        short = raw.GenerateVocabRemapping(
            new_vocab_file=file, old_vocab_file=file, new_vocab_offset=0, num_new_vocab=2
        )
        with pytest.raises(tf.errors.InvalidArgumentError, match="2 lines"):
            sess.run(short)


def test_assign_from_checkpoint(path):
    framework = tf.contrib.framework
    with tf.Graph().as_default(), tf.Session() as sess:
        w, b, parts = build(False)
        op, feeds = framework.assign_from_checkpoint(path, {"old/w": w, "whole": list(parts)})
        sess.run(op, feeds)
        np.testing.assert_array_equal(sess.run(w)[2], [4, 5])
        np.testing.assert_array_equal(sess.run(tf.convert_to_tensor(parts)), np.arange(6))
        with pytest.raises(ValueError, match="missing"):
            framework.assign_from_checkpoint(path, [b])
        with pytest.raises(ValueError, match="shape"):
            framework.assign_from_checkpoint(path, {"old/w": b})
        assert framework.assign_from_checkpoint_fn(path, [b], ignore_missing_vars=True) is None
        read = framework.assign_from_checkpoint_fn(path, {"old/b": b, "none": w}, ignore_missing_vars=True)
        assert read is not None
        read(sess)
        assert sess.run(b).tolist() == [5, 6]
        assert framework.list_variables(path)[0] == ("old/b", [2])
        assert framework.load_variable(path, "old/b").tolist() == [5, 6]


def test_tables_are_saved(tmp_path):
    path = str(tmp_path / "t")
    with tf.Graph().as_default(), tf.Session() as sess:
        table = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1, name="words")
        saver = tf.train.Saver()
        sess.run(table.insert(["a", "b"], tf.constant([1, 2], tf.int64)))
        saver.save(sess, path)
        sess.run([table.insert(["a", "c"], tf.constant([7, 8], tf.int64))])
        saver.restore(sess, path)
        assert sess.run(table.lookup(tf.constant(["a", "b", "c"]))).tolist() == [1, 2, -1]
    assert [name for name, _ in tf.train.list_variables(path)] == ["words-keys", "words-values"]


def test_vocabularies_have_rows_or_columns():
    with pytest.raises(ValueError, match="0 and 1. Provided axis: 2"):
        tf.train.VocabInfo("new", 3, 0, "old", axis=2)


def test_warm_start_without_variables_still_needs_a_checkpoint(tmp_path):
    with pytest.raises(tf.errors.NotFoundError):
        tf.train.warm_start(str(tmp_path / "none"))
