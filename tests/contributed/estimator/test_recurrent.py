"""`contrib.estimator.RNNClassifier` and `RNNEstimator`: numbers of TensorFlow 1.15."""

import pytest

import millrace as tf

FC, CE = tf.feature_column, tf.contrib.estimator
WORDS = [["a", "b", "c"], ["b", "d"], ["c"], ["a", "a", "d", "b"]]


def _input(labels, context=False):
    def read():
        places = [[i, j] for i, row in enumerate(WORDS) for j in range(len(row))]
        words = tf.SparseTensor(places, [w for row in WORDS for w in row], [4, 4])
        more = {"c": tf.constant([[0.1], [0.2], [0.3], [0.4]])} if context else {}
        return {"t": words, **more}, tf.constant(labels)

    return read


def _columns():
    words = FC.sequence_categorical_column_with_vocabulary_list("t", ["a", "b", "c", "d"])
    return [FC.embedding_column(words, 2)]


def _config(folder):
    return {"model_dir": str(folder), "config": tf.estimator.RunConfig(tf_random_seed=3)}


TWO, THREE = [[0], [1], [0], [1]], [[0], [1], [2], [1]]


@pytest.mark.parametrize(
    ("arguments", "labels", "loss", "cell"),
    [
        ({"num_units": [3]}, TWO, 0.51244, "basic_rnn_cell"),
        ({"num_units": [3, 2], "cell_type": "lstm", "n_classes": 3}, THREE, 1.04104, "multi_rnn_cell/cell_1"),
        (
            {"num_units": [3], "cell_type": "gru", "context_feature_columns": [FC.numeric_column("c")]},
            TWO,
            0.68821,
            "gru_cell/gates",
        ),
        (
            {
                "rnn_cell_fn": lambda mode: tf.nn.rnn_cell.BasicLSTMCell(2),
                "n_classes": 3,
                "optimizer": tf.train.AdamOptimizer(0.1),
            },
            THREE,
            0.71159,
            "basic_lstm_cell",
        ),
    ],
)
def test_classifiers(arguments, labels, loss, cell, tmp_path):
    model = CE.RNNClassifier(_columns(), **_config(tmp_path), **arguments)
    read = _input(labels, "context_feature_columns" in arguments)
    model.train(read, steps=5)
    assert model.evaluate(read, steps=1)["loss"] == pytest.approx(loss, abs=2e-4)
    names = model.get_variable_names()
    assert any(name.startswith(f"rnn/rnn/{cell}") for name in names)
    assert "rnn/logits/dense/kernel" in names
    inner = "rnn/sequence_input_layer/sequence_input_layer/t_embedding/embedding_weights"
    assert inner in names


def test_any_head(tmp_path):
    model = CE.RNNEstimator(
        CE.regression_head(), _columns(), num_units=[2], cell_type="gru", **_config(tmp_path)
    )
    labels = [[0.1], [0.5], [0.2], [0.7]]
    model.train(_input(labels), steps=5)
    assert model.evaluate(_input(labels), steps=1)["loss"] == pytest.approx(0.03999, abs=2e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_units": [2], "rnn_cell_fn": lambda mode: None}, "must not be specified"),
        ({"cell_type": "lstm", "rnn_cell_fn": lambda mode: None}, "must not be specified"),
        ({"num_units": [2], "n_classes": 1}, "n_classes"),
    ],
)
def test_refused(arguments, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        CE.RNNClassifier(_columns(), model_dir=str(tmp_path), **arguments)
    with pytest.raises(ValueError, match="return_sequences"):
        CE.RNNEstimator(CE.regression_head(), _columns(), num_units=[2], return_sequences=True)
