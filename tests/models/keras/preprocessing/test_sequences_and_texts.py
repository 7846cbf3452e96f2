"""Sequences and texts on their way into models; numbers are TensorFlow 1.15's."""

import json
import random

import numpy as np
import pytest

import millrace as tf

S, T = tf.keras.preprocessing.sequence, tf.keras.preprocessing.text


def test_sequences_are_padded_and_cut():
    assert S.pad_sequences([[1, 2, 3], [4], []]).tolist() == [[1, 2, 3], [0, 0, 4], [0, 0, 0]]
    assert S.pad_sequences([[1, 2, 3]], 2).tolist() == [[2, 3]]
    assert S.pad_sequences([[1, 2, 3]], 2, truncating="post").tolist() == [[1, 2]]
    assert S.pad_sequences([[1]], 3, padding="post", value=9).tolist() == [[1, 9, 9]]
    assert S.pad_sequences([[[1, 2]], [[3, 4], [5, 6]]]).shape == (2, 2, 2)
    for wrong in (dict(padding="x"), dict(truncating="x"), dict(value="text")):
        with pytest.raises(ValueError):
            S.pad_sequences([[1]], **wrong)
    with pytest.raises(ValueError, match="iterables"):
        S.pad_sequences([1, 2])


def test_pairs_of_words_follow_the_seed():
    random.seed(2)
    couples, labels = S.skipgrams([1, 2, 0, 3, 4], 6)
    assert couples[:4] == [[3, 4], [2, 2], [4, 2], [2, 1]] and labels[:4] == [0, 0, 1, 1]
    assert len(couples) == len(labels) == 24
    np.testing.assert_allclose(S.make_sampling_table(3), [0.00315225, 0.00315225, 0.00547597], rtol=1e-5)


def test_windows_of_a_series():
    series = S.TimeseriesGenerator(np.arange(10), np.arange(10) * 10, length=3, batch_size=4)
    assert len(series) == 2
    x, y = series[1]
    assert x.tolist() == [[4, 5, 6], [5, 6, 7], [6, 7, 8]] and y.tolist() == [70, 80, 90]
    assert json.loads(series.to_json())["class_name"] == "TimeseriesGenerator"
    with pytest.raises(ValueError, match="disallowed"):
        S.TimeseriesGenerator(np.arange(3), np.arange(3), length=5)
    with pytest.raises(ValueError, match="same length"):
        S.TimeseriesGenerator(np.arange(3), np.arange(2), length=1)


def test_words_are_numbered_by_how_frequent_they_are():
    tokens = T.Tokenizer(num_words=4, oov_token="?")
    tokens.fit_on_texts(["The cat sat.", "the dog, the cat"])
    assert tokens.word_index == {"?": 1, "the": 2, "cat": 3, "sat": 4, "dog": 5}
    assert tokens.texts_to_sequences(["the sat bird"]) == [[2, 1, 1]]
    assert tokens.sequences_to_texts([[2, 3, 99]]) == ["the cat ?"]
    assert tokens.texts_to_matrix(["the the cat"], "count").tolist() == [[0, 0, 2, 1]]
    again = T.tokenizer_from_json(tokens.to_json())
    assert again.texts_to_sequences(["the cat"]) == [[2, 3]] and again.index_docs == tokens.index_docs
    with pytest.raises(ValueError, match="Unknown vectorization mode"):
        tokens.texts_to_matrix(["the"], "x")
    with pytest.raises(ValueError, match="Specify a dimension"):
        T.Tokenizer().texts_to_matrix(["the"])
    with pytest.raises(TypeError, match="Unrecognized"):
        T.Tokenizer(words=3)


def test_hashes_are_stable_where_asked():
    assert T.hashing_trick("the cat the", 10, "md5") == T.hashing_trick("the cat the", 10, "md5")
    assert T.one_hot("a a", 5)[0] == T.one_hot("a a", 5)[1]
    assert T.text_to_word_sequence("A, b!c") == ["a", "b", "c"]
