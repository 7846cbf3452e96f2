"""Files of comma-separated values, read with a wrong number of columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import millrace as tf


def _read(path: Path, **options: Any) -> Any:
    path.write_text("a,b,c\n1,x,2.5\n2,y,3.5\n")
    data = tf.data.experimental.make_csv_dataset(str(path), 2, num_epochs=1, shuffle=False, **options)
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        return sess.run(element)


def test_the_reader_tells_of_too_few_or_too_many_columns(tmp_path: Path) -> None:
    for count in (1, 4):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"Expect {count} fields but have 3"):
            _read(tmp_path / "a.csv", column_defaults=[tf.string] * count)


def test_a_label_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="c"):
        _read(tmp_path / "a.csv", column_defaults=[tf.int32], label_name="c")


def test_columns_and_their_label(tmp_path: Path) -> None:
    features, label = _read(
        tmp_path / "a.csv", column_defaults=[tf.int32, tf.string, tf.float32], label_name="a"
    )
    assert label.tolist() == [1, 2]
    assert features["b"].tolist() == [b"x", b"y"] and features["c"].tolist() == [2.5, 3.5]


@pytest.mark.parametrize("batched", [False, True])
def test_a_row_that_cannot_be_read_fails_alone(batched, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,a\nx,b\n3,c\n4\n5,e\n")
    data = tf.data.experimental.CsvDataset(str(path), [tf.int32, tf.string])
    if batched:
        data = data.apply(tf.data.experimental.ignore_errors()).batch(9)
        with tf.Session() as sess:
            numbers, words = sess.run(tf.data.make_one_shot_iterator(data).get_next())
        assert numbers.tolist() == [1, 3, 5] and words.tolist() == [b"a", b"c", b"e"]
        return
    element = tf.data.make_one_shot_iterator(data).get_next()
    with tf.Session() as sess:
        assert sess.run(element)[0] == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"element 1 of .*rows\.csv"):
            sess.run(element)
        assert sess.run(element)[0] == 3
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"element 3 of .*rows\.csv"):
            sess.run(element)
        assert sess.run(element)[0] == 5
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)


def test_a_place_behind_a_row_that_failed_is_saved(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x\n1\n2\n")
    iterator = tf.data.make_initializable_iterator(
        tf.data.experimental.CsvDataset(str(path), [tf.int32]).apply(tf.data.experimental.ignore_errors())
    )
    tf.add_to_collection(
        tf.GraphKeys.SAVEABLE_OBJECTS, tf.data.experimental.make_saveable_from_iterator(iterator)
    )
    element, saver = iterator.get_next(), tf.train.Saver()
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        assert sess.run(element)[0] == 1
        saved = saver.save(sess, str(tmp_path / "model"))
        sess.run(iterator.initializer)
        saver.restore(sess, saved)
        assert sess.run(element)[0] == 2


@pytest.mark.parametrize("columns", [[1, 0], [0, 0], [-1, 1]])
def test_selected_columns_are_in_order(columns, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,2\n")
    data = tf.data.experimental.CsvDataset(str(path), [tf.int32, tf.int32], select_cols=columns)
    iterator = tf.data.make_initializable_iterator(data)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="strictly increasing"):
        sess.run(iterator.initializer)
