"""Words and categories as numbers, and the older configuration."""

import numpy as np
import pytest

import millrace as tf

P = tf.contrib.learn.preprocessing
DOCUMENTS = ["hello World, it's a test-case 12 hello", "foo bar hello don't", "  zz "]


def test_words_become_numbers(tmp_path):
    made = P.VocabularyProcessor(5)
    rows = np.array(list(made.fit_transform(DOCUMENTS)))
    np.testing.assert_array_equal(rows, [[1, 2, 3, 4, 5], [7, 8, 1, 9, 0], [10, 0, 0, 0, 0]])
    assert next(made.reverse(rows)) == "hello World it's a test-case"
    path = str(tmp_path / "words")
    made.save(path)
    again = P.VocabularyProcessor.restore(path)
    np.testing.assert_array_equal(list(again.transform(["hello unknown bar"])), [[1, 0, 8, 0, 0]])


def test_rare_words_are_left_out():
    made = P.VocabularyProcessor(5, min_frequency=1)
    assert next(made.fit_transform(DOCUMENTS)).tolist() == [1, 0, 0, 0, 0]
    assert len(made.vocabulary_) == 2


def test_a_vocabulary_is_numbered_by_frequency_when_trimmed():
    made = P.CategoricalVocabulary()
    made.add("a")
    made.add("b", 3)
    made.trim(0)
    assert [made.get("b"), made.get("a"), made.reverse(1)] == [1, 2, "b"]
    made.freeze()
    assert made.get("c") == 0
    with pytest.raises(ValueError, match="reverse"):
        P.CategoricalVocabulary(support_reverse=False).reverse(0)


def test_columns_and_bytes():
    rows = P.CategoricalProcessor().fit_transform([["a", "b"], ["b", "c"]])
    assert [row.tolist() for row in rows] == [[1, 1], [2, 2]]
    made = P.ByteProcessor(3)
    assert [row.tolist() for row in made.transform(["ab", "abcd"])] == [[97, 98, 0], [97, 98, 99]]
    assert list(made.reverse(made.transform(["ab"]))) == ["ab"]


def test_configuration():
    config = tf.contrib.learn.RunConfig(save_checkpoints_steps=5)
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps) == (None, 5)
    with pytest.raises(ValueError, match="Invalid mode"):
        tf.contrib.learn.ModeKeys.validate("other")
