"""Texts as sequences of numbers."""

from __future__ import annotations

import collections
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from millrace.core.public import public

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


@public("keras.preprocessing.text.text_to_word_sequence")
def text_to_word_sequence(
    text: str, filters: Any = _FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text.

    Args:
      text: the text.
      filters: characters that are left out, as if `split` stood there.
      lower: whether words become lower case.
      split: what stands between words.
    """
    text = text.lower() if lower else text
    text = text.translate({ord(c): split for c in filters})
    return [word for word in text.split(split) if word]


@public("keras.preprocessing.text.one_hot")
def one_hot(text: str, n: int, filters: Any = _FILTERS, lower: bool = True, split: str = " ") -> list[int]:
    """A number below `n` for each word, by Python's `hash`; words may share one."""
    return hashing_trick(text, n, hash, filters, lower, split)


@public("keras.preprocessing.text.hashing_trick")
def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: Any = _FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """A number from 1 to `n - 1` for each word; words may share one.

    Args:
      text: the text.
      n: one more than the greatest number.
      hash_function: from a word to an integer; "md5" for a stable one, default Python's `hash`.
      filters, lower, split: how the text is cut into words.
    """
    chosen: Callable[[str], int] = hash if hash_function is None else hash_function  # pyright: ignore[reportAssignmentType, reportRedeclaration]
    if hash_function == "md5":

        def chosen(word: str) -> int:
            return int(hashlib.md5(word.encode()).hexdigest(), 16)

    return [chosen(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)]


@public("keras.preprocessing.text.Tokenizer")
class Tokenizer:
    """Numbers words by how frequent they are, from 1.

    Args:
      num_words: use only so many, 0 and the most frequent ones.
      filters: characters that are left out.
      lower: whether words become lower case.
      split: what stands between words.
      char_level: every character is a word.
      oov_token: stands, as number 1, for words that are not known.
      document_count: texts that were counted already.
      **kwargs: `nb_words`, the old name of `num_words`.

    Raises:
      TypeError: another keyword.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: Any = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: Any = None,
        document_count: int = 0,
        **kwargs: Any,
    ) -> None:
        num_words = kwargs.pop("nb_words", num_words)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.word_counts: Any = collections.OrderedDict()
        self.word_docs: Any = collections.defaultdict(int)
        self.filters, self.split, self.lower = filters, split, lower
        self.num_words, self.document_count, self.char_level = num_words, document_count, char_level
        self.oov_token = oov_token
        self.index_docs: Any = collections.defaultdict(int)
        self.word_index: dict[Any, int] = {}
        self.index_word: dict[int, Any] = {}

    def _words(self, text: Any) -> Any:
        if not self.char_level and isinstance(text, str):
            return text_to_word_sequence(text, self.filters, self.lower, self.split)
        if self.lower:
            return [t.lower() for t in text] if isinstance(text, list) else text.lower()
        return text

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts, and numbers them anew."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        known = sorted(self.word_counts.items(), key=lambda item: item[1], reverse=True)
        ordered = [] if self.oov_token is None else [self.oov_token]
        ordered += [word for word, _ in known]
        self.word_index = {word: number for number, word in enumerate(ordered, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in list(self.word_docs.items()):
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Iterable[Any]) -> None:
        """Counts in how many sequences each number is."""
        for sequence in sequences:
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The numbers of the words of texts; unknown words are left out, or are `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """The same, text by text."""
        unknown = self.word_index.get(self.oov_token)
        for text in texts:
            found = []
            for word in self._words(text):
                number = self.word_index.get(word)
                if number is None or (self.num_words and number >= self.num_words):
                    number = unknown if self.oov_token is not None else None
                if number is not None:
                    found.append(number)
            yield found

    def sequences_to_texts(self, sequences: Iterable[Any]) -> list[str]:
        """The words of numbers, joined by spaces."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Any]) -> Iterator[str]:
        """The same, sequence by sequence."""
        unknown = self.word_index.get(self.oov_token)
        for sequence in sequences:
            found = []
            for number in sequence:
                word = self.index_word.get(number)
                if word is None or (self.num_words and number >= self.num_words):
                    word = self.index_word[unknown] if unknown is not None else None
                if word is not None:
                    found.append(word)
            yield " ".join(found)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """A row for each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """A row for each sequence, with a column for each number.

        Args:
          sequences: lists of numbers.
          mode: "binary", "count", "freq" or "tfidf".

        Raises:
          ValueError: the mode is unknown, or nothing was counted that it needs.
        """
        if not self.num_words and not self.word_index:
            raise ValueError("Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences, strict=True):
            counts = collections.Counter(number for number in sequence if number < columns)
            for number, count in counts.items():
                row[number] = self._entry(mode, number, count, len(sequence))
        return matrix

    def _entry(self, mode: str, number: int, count: int, length: int) -> float:
        if mode == "binary":
            return 1
        if mode == "count":
            return count
        if mode == "freq":
            return count / length
        if mode == "tfidf":
            frequency = 1 + np.log(count)
            return frequency * np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
        raise ValueError(f"Unknown vectorization mode: {mode}")

    def get_config(self) -> dict[str, Any]:
        """The arguments and counts, these as JSON."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": json.dumps(self.word_counts),
            "word_docs": json.dumps(self.word_docs),
            "index_docs": json.dumps(self.index_docs),
            "index_word": json.dumps(self.index_word),
            "word_index": json.dumps(self.word_index),
        }

    def to_json(self, **kwargs: Any) -> str:
        """Class and configuration as JSON; **kwargs: for `json.dumps`."""
        described = {"class_name": type(self).__name__, "config": self.get_config()}
        return json.dumps(described, **kwargs)


@public("keras.preprocessing.text.tokenizer_from_json")
def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `to_json` described."""
    config = json.loads(json_string)["config"]
    counts = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "word_index")}
    numbered = {
        name: {int(k): v for k, v in json.loads(config.pop(name)).items()}
        for name in ("index_docs", "index_word")
    }
    made = Tokenizer(**config)
    for name, value in {**counts, **numbered}.items():
        setattr(made, name, value)
    return made
