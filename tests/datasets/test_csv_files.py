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
