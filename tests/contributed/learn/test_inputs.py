"""Inputs of `tf.contrib.learn`: files of values, arrays, tables, and the columns that suit them."""

import numpy as np
import pytest

import millrace as tf

learn = tf.contrib.learn
base = learn.datasets.base


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def written(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return str(path)


def test_csv_with_header(tmp_path):
    found = base.load_csv_with_header(
        written(tmp_path, "3,2,x,y\n1.5,2,0\n3,4,1\n5,6,2\n"), np.int64, np.float32
    )
    np.testing.assert_array_equal(found.data, np.array([[1.5, 2], [3, 4], [5, 6]], np.float32))
    assert found.data.dtype == np.float32
    assert found.target.tolist() == [0, 1, 2]


def test_csv_without_header_and_another_target(tmp_path):
    found = base.load_csv_without_header(written(tmp_path, "7,1.5,2\n8,3,4\n"), np.int64, np.float32, 0)
    assert found.data.tolist() == [[1.5, 2.0], [3.0, 4.0]]
    assert found.target.tolist() == [7, 8]


@pytest.mark.parametrize("text", ["1,2\n1,2,3\n4,5,6\n", "2,2\n1,2,3,4\n"])
def test_header_that_does_not_fit_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="says that it has"):
        base.load_csv_with_header(written(tmp_path, text), np.int64, np.float32)


def test_numpy_input_shuffles_unless_told_otherwise():
    x = np.arange(8, dtype=np.float32)
    batches = {}
    for shuffle in (True, False):
        features, labels = learn.io.numpy_input_fn({"x": x}, x * 2, batch_size=8, shuffle=shuffle)()
        with tf.train.MonitoredSession() as sess:
            batches[shuffle] = sess.run([features["x"], labels])
    np.testing.assert_array_equal(batches[False], [x, x * 2])
    np.testing.assert_array_equal(sorted(batches[True][0]), x)
    np.testing.assert_array_equal(batches[True][0] * 2, batches[True][1])


def test_pandas_input():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": [1.0, 2.0]})
    features, labels = learn.io.pandas_input_fn(table, pandas.Series([3, 4]), 2, shuffle=False)()
    with tf.train.MonitoredSession() as sess:
        found, target = sess.run([features, labels])
    assert found["x"].tolist() == [1.0, 2.0]
    assert target.tolist() == [3, 4]


def test_columns_for_an_array_and_for_arrays_by_name():
    (column,) = learn.infer_real_valued_columns_from_input(np.ones([3, 4], np.float32))
    assert (column.column_name, column.dimension, column.dtype) == ("", 4, tf.float32)
    columns = learn.infer_real_valued_columns_from_input({"b": np.ones([3], np.int64), "a": np.ones([3, 2])})
    assert [(c.column_name, c.dimension, c.dtype) for c in columns] == [
        ("a", 2, tf.float64),
        ("b", 1, tf.int64),
    ]


def test_columns_for_texts_and_unknown_widths_are_refused():
    with pytest.raises(ValueError, match="numbers"):
        learn.infer_real_valued_columns_from_input(np.array(["a", "b"]))
    with pytest.raises(ValueError, match="known but for the batch"):
        learn.infer_real_valued_columns_from_input_fn(lambda: (tf.placeholder(tf.float32, [2, None]), None))


def test_keys_and_errors():
    assert learn.PredictionKey.GENERIC == "output"
    assert learn.ProblemType.LOGISTIC_REGRESSION == 3
    assert issubclass(learn.NotFittedError, ValueError)
    assert issubclass(learn.NotFittedError, AttributeError)
