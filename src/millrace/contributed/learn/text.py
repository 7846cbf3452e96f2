"""Documents as rows of numbers: of words, or of bytes."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from millrace.contributed.learn.categorical import CategoricalVocabulary
from millrace.core.public import public
from millrace.lib.platform import gfile

# Words in capitals, parts of words in camel case, then everything of letters, digits, ' and -.
TOKENIZER_RE = public(
    "contrib.learn.preprocessing.TOKENIZER_RE", "contrib.learn.preprocessing.text.TOKENIZER_RE"
)(re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE))


@public("contrib.learn.preprocessing.tokenizer", "contrib.learn.preprocessing.text.tokenizer")
def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """Gives the words of each document.

    Args:
      iterator: documents.
    """
    for value in iterator:
        yield TOKENIZER_RE.findall(value)


@public(
    "contrib.learn.preprocessing.VocabularyProcessor",
    "contrib.learn.preprocessing.text.VocabularyProcessor",
    "contrib.learn.python.learn.preprocessing.text.VocabularyProcessor",
)
class VocabularyProcessor:
    """Makes of each document a row of the numbers of its words.

    Args:
      max_document_length: how long a row is; longer documents are cut, shorter ones filled with 0.
      min_frequency: words that are not more frequent become 0.
      vocabulary: a `CategoricalVocabulary` to begin with.
      tokenizer_fn: from documents to their words; default `tokenizer`.
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: Any = None,
        tokenizer_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        self.max_document_length, self.min_frequency = max_document_length, min_frequency
        self.vocabulary_ = vocabulary if vocabulary is not None else CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[str], unused_y: Any = None) -> VocabularyProcessor:
        """Learns the words of documents, and takes no new ones after that."""
        del unused_y
        for words in self._tokenizer(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Iterable[str], unused_y: Any = None) -> Iterator[Any]:
        """Learns the words, and gives the documents as rows."""
        self.fit(raw_documents, unused_y)
        return self.transform(raw_documents)

    def transform(self, raw_documents: Iterable[str]) -> Iterator[Any]:
        """Gives each document as an int64 array."""
        for words in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, word in zip(range(self.max_document_length), words, strict=False):
                row[place] = self.vocabulary_.get(word)
            yield row

    def reverse(self, documents: Iterable[Any]) -> Iterator[str]:
        """Gives each row's words."""
        for row in documents:
            yield " ".join(self.vocabulary_.reverse(number) for number in row)

    def save(self, filename: Any) -> None:
        """Writes the processor into a file."""
        with gfile.GFile(filename, "wb") as file:
            file.write(pickle.dumps(self))

    @classmethod
    def restore(cls, filename: Any) -> VocabularyProcessor:
        """Reads a processor that `save` has written; as with every pickle, only from files that you trust."""
        with gfile.GFile(filename, "rb") as file:
            return pickle.loads(file.read())


@public("contrib.learn.preprocessing.ByteProcessor", "contrib.learn.preprocessing.text.ByteProcessor")
class ByteProcessor:
    """Makes of each document a row of its bytes.

    Args:
      max_document_length: how long a row is.
    """

    def __init__(self, max_document_length: int) -> None:
        self.max_document_length = max_document_length

    def fit(self, x: Any) -> ByteProcessor:
        """There is nothing to learn."""
        del x
        return self

    def fit_transform(self, x: Any) -> Iterator[Any]:
        """Gives the documents as rows."""
        return self.transform(x)

    def transform(self, x: Iterable[Any]) -> Iterator[Any]:
        """Gives each document as a uint8 array, cut or filled with 0."""
        for document in x:
            given = document.encode("utf-8") if isinstance(document, str) else document
            found = np.frombuffer(given[: self.max_document_length], np.uint8)
            yield np.pad(found, (0, self.max_document_length - len(found)))

    def reverse(self, x: Iterable[Any]) -> Iterator[str]:
        """Gives each row's text."""
        for row in x:
            given = bytes(number for number in row if number)
            yield given.decode("utf-8", "ignore")
