"""Batches of images that a table names."""

import numpy as np
import pytest

import millrace as tf

Image = pytest.importorskip("PIL.Image")
TABLE = {  # a DataFrame gives its columns by name, too
    "filename": [f"{i}.png" for i in range(8)] + ["x.png"],
    "class": list("abcabcabc"),
    "two": list("ababababa"),
    "n": np.arange(9.0),
    "m": np.arange(9.0) * 2,
    "w": np.arange(9.0) / 10,
    "several": [["a"], ["a", "b"], ["c"], ["b"], ["a"], ["c", "a"], ["b"], ["a"], ["a"]],
}


@pytest.fixture
def flow(tmp_path):
    for i in range(8):
        Image.fromarray(np.full((6, 6, 3), 10 * i, np.uint8)).save(tmp_path / f"{i}.png")
    made = tf.keras.preprocessing.image.ImageDataGenerator(validation_split=0.25)

    def of(**kwargs):
        arguments = {"target_size": (6, 6), "batch_size": 3, "shuffle": False, **kwargs}
        with pytest.warns(UserWarning, match="1 invalid image"):
            return made.flow_from_dataframe(TABLE, str(tmp_path), **arguments)

    return of


def test_classes(flow, capsys):
    found = flow()
    assert "Found 8 validated image filenames belonging to 3 classes." in capsys.readouterr().out
    x, y = next(found)
    assert (len(found), found.samples, found.class_indices) == (3, 8, {"a": 0, "b": 1, "c": 2})
    np.testing.assert_array_equal(x[:, 0, 0, 0], [0, 10, 20])
    np.testing.assert_array_equal(y, np.eye(3))
    assert next(flow(class_mode="sparse"))[1].tolist() == [0, 1, 2]
    assert next(flow(y_col="two", class_mode="binary"))[1].tolist() == [0, 1, 0]
    assert next(flow(y_col="several"))[1].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert flow(classes=["a", "c"]).filenames == ["0.png", "2.png", "3.png", "5.png", "6.png"]


def test_other_targets(flow):
    assert next(flow(class_mode=None)).shape == (3, 6, 6, 3)
    x, y = next(flow(class_mode="input"))
    np.testing.assert_array_equal(x, y)
    assert next(flow(class_mode="raw", y_col=["n", "m"]))[1].tolist() == [[0, 0], [1, 2], [2, 4]]
    assert [c.tolist() for c in next(flow(class_mode="multi_output", y_col=["n", "m"]))[1]] == [
        [0, 1, 2],
        [0, 2, 4],
    ]
    np.testing.assert_array_equal(next(flow(weight_col="w"))[2], [0, 0.1, 0.2])


def test_parts(flow):
    assert flow(subset="validation").filenames == ["0.png", "1.png"]
    assert flow(subset="training").samples == 6


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"class_mode": "binary"}, ValueError, "there must be 2 classes"),
        ({"y_col": "n"}, TypeError, "must be strings, lists or tuples"),
        ({"y_col": "n", "class_mode": "sparse"}, TypeError, "must be strings"),
        ({"y_col": "n", "class_mode": "multi_output"}, TypeError, "y_col must be a list"),
    ],
)
def test_columns_that_do_not_fit(flow, arguments, error, words):
    with pytest.raises(error, match=words):
        flow(**arguments)


def test_unknown_modes(tmp_path):
    made = tf.keras.preprocessing.image.ImageDataGenerator()
    with pytest.raises(ValueError, match="Invalid class_mode"):
        made.flow_from_dataframe(TABLE, str(tmp_path), class_mode="foo")
    with pytest.raises(TypeError, match="must be strings"):
        made.flow_from_dataframe(TABLE, str(tmp_path), x_col="n")
    assert tf.keras.experimental.terminate_keras_multiprocessing_pools(use_sigkill=True) is None
