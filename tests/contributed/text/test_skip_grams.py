"""Skip-grams: numbers recorded from TensorFlow 1.15.5, frequencies of a table and of a file, and refusals."""

import pathlib

import numpy as np
import pytest

import millrace as tf

text, libsvm = tf.contrib.text, tf.contrib.libsvm


def pairs(*tensors: tf.Tensor) -> list[list]:
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        return [value.tolist() for value in session.run(tensors)]


def test_windows_are_those_of_tensorflow() -> None:
    tf.set_random_seed(3)
    sample = text.skip_gram_sample(tf.constant([5, 6, 7, 8, 9, 1, 2, 3, 4]), 1, 3, seed=4)
    with tf.Session() as session:
        first, second = (session.run(sample) for _ in range(2))
    assert first[0].tolist() == [
        5,
        6,
        6,
        6,
        7,
        7,
        7,
        7,
        7,
        8,
        8,
        8,
        8,
        8,
        8,
        9,
        9,
        9,
        9,
        1,
        1,
        1,
        1,
        2,
        2,
        2,
        2,
        3,
        3,
        4,
    ]
    assert second[1].tolist()[:10] == [6, 7, 8, 5, 7, 8, 5, 6, 8, 9]


def test_span_and_own_labels() -> None:
    words = tf.constant(list("abcdef"))
    got = pairs(*text.skip_gram_sample(words, 1, 1, start=2, limit=2, emit_self_as_target=True))
    assert got == [[b"c", b"c", b"d", b"d"], [b"c", b"d", b"c", b"d"]]
    assert pairs(*text.skip_gram_sample(words, 1, 1, start=4, limit=9)) == [[b"e", b"f"], [b"f", b"e"]]
    assert pairs(*text.skip_gram_sample(words, start=9)) == [[], []]


def test_rare_words_are_left_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("the,100\na,50\ncat,2\nsat,7\n")
    words = tf.constant(["the", "cat", "sat", "a", "dog"])
    got = pairs(*text.skip_gram_sample_with_text_vocab(words, str(path), vocab_min_count=3, max_skips=1))
    assert got == [[b"the", b"sat", b"sat", b"a"], [b"sat", b"the", b"a", b"sat"]]
    with pytest.raises(ValueError, match="at least the sum of all frequencies"):
        text.skip_gram_sample_with_text_vocab(words, str(path), vocab_subsampling=0.1, corpus_size=150)
    with pytest.raises(ValueError, match="on each line"):
        text.skip_gram_sample_with_text_vocab(words, str(path), vocab_freq_index=2)


def test_frequent_words_are_thinned() -> None:
    tf.set_random_seed(5)
    source = tf.contrib.lookup.KeyValueTensorInitializer(
        tf.constant([5, 6], tf.int64), tf.constant([1.0, 1e6], tf.float64)
    )
    table = tf.contrib.lookup.HashTable(source, -1.0)
    words = tf.constant([5, 6, 5, 6, 5, 6, 7], tf.int64)
    got = pairs(
        *text.skip_gram_sample(words, 1, 1, vocab_freq_table=table, vocab_subsampling=1e-6, corpus_size=1e6)
    )
    assert got == [[5, 5, 5, 5], [5, 5, 5, 5]]


@pytest.mark.parametrize(
    "arguments",
    [{"vocab_min_count": 2}, {"corpus_size": 5}, {"vocab_subsampling": 0.1}],
)
def test_frequencies_need_a_table(arguments: dict) -> None:
    with pytest.raises(ValueError, match="vocab_freq_table"):
        text.skip_gram_sample(tf.constant([1, 2]), **arguments)


def test_windows_must_be_possible() -> None:
    for low, high in ((-1, 2), (3, 2)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="min_skips"):
            pairs(*text.skip_gram_sample(tf.constant([1, 2]), low, high))


def test_batches_come_from_a_queue() -> None:
    tokens, labels = text.skip_gram_sample(tf.constant([1, 2, 3]), 1, 1, batch_size=4)
    with tf.Session() as session:
        threads = tf.train.start_queue_runners(session, coord=(coordinator := tf.train.Coordinator()))
        assert session.run([tokens, labels])[0].tolist() == [1, 2, 2, 3]
        coordinator.request_stop()
        session.close()
        coordinator.join(threads)


def test_lines_of_libsvm() -> None:
    features, labels = libsvm.decode_libsvm(tf.constant(["1 1:3.4 4:0.5", "2", "-3 0:2 "]), 6)
    with tf.Session() as session:
        found, classes = session.run([features, labels])
    assert classes.tolist() == [1, 2, -3]
    assert found.indices.tolist() == [[0, 1], [0, 4], [2, 0]]
    np.testing.assert_allclose(found.values, [3.4, 0.5, 2.0])
    assert found.dense_shape.tolist() == [3, 6]


@pytest.mark.parametrize("line", ["x 1:3", "1 1-3", "1 1:x", "1.5 1:2"])
def test_other_lines_are_refused(line: str) -> None:
    features, _ = libsvm.decode_libsvm(tf.constant([line]), 6)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(features.values)
