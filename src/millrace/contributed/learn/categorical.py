"""Categories as numbers: a vocabulary that grows, and one for each column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.core.public import public


@public(
    "contrib.learn.preprocessing.CategoricalVocabulary",
    "contrib.learn.preprocessing.categorical_vocabulary.CategoricalVocabulary",
)
class CategoricalVocabulary:
    """Numbers categories in the order in which they come; 0 is the unknown one.

    Args:
      unknown_token: what 0 stands for.
      support_reverse: keep the way back.
    """

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True) -> None:
        self._unknown_token = unknown_token
        self._mapping: dict[Any, int] = {unknown_token: 0}
        self._support_reverse = support_reverse
        self._reverse_mapping = [unknown_token] if support_reverse else []
        self._freq: dict[Any, int] = {}
        self._freeze = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Takes no new categories any more, or takes them again."""
        self._freeze = freeze

    def get(self, category: Any) -> int:
        """The number of a category: a new one where it is new, 0 where none are taken."""
        if category not in self._mapping:
            if self._freeze:
                return 0
            self._mapping[category] = len(self._mapping)
            if self._support_reverse:
                self._reverse_mapping.append(category)
        return self._mapping[category]

    def add(self, category: Any, count: int = 1) -> None:
        """Counts a category."""
        if self.get(category) > 0:
            self._freq[category] = self._freq.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keeps categories that are frequent enough, numbered by how frequent they are.

        Args:
          min_frequency: only those that are more frequent stay.
          max_frequency: only those that are less frequent stay; -1 for all.
        """
        by_name = sorted(self._freq.items(), key=lambda x: (isinstance(x[0], str), x[0]))
        ordered = sorted(by_name, key=lambda x: x[1], reverse=True)
        kept = [
            (category, count)
            for category, count in ordered
            if count > min_frequency and not (max_frequency > 0 and count >= max_frequency)
        ]
        self._freq = dict(kept)
        names = [self._unknown_token, *self._freq]
        self._mapping = {category: number for number, category in enumerate(names)}
        if self._support_reverse:
            self._reverse_mapping = names

    def reverse(self, class_id: int) -> Any:
        """The category of a number.

        Raises:
          ValueError: the vocabulary was made without the way back.
          IndexError: there is no such number.
        """
        if not self._support_reverse:
            raise ValueError(
                "This vocabulary wasn't initialized with support_reverse to support reverse() function. "
                f"Received: {class_id}"
            )
        return self._reverse_mapping[class_id]


@public(
    "contrib.learn.preprocessing.CategoricalProcessor",
    "contrib.learn.preprocessing.categorical.CategoricalProcessor",
)
class CategoricalProcessor:
    """Numbers the categories of each column of a table.

    Args:
      min_frequency: categories that are less frequent become 0.
      share: one vocabulary for all columns.
      vocabularies: those to begin with: a list, or one where they are shared.
    """

    def __init__(self, min_frequency: int = 0, share: bool = False, vocabularies: Any = None) -> None:
        self.min_frequency, self.share = min_frequency, share
        self.vocabularies_: Any = vocabularies

    def freeze(self, freeze: bool = True) -> None:
        """Takes no new categories any more, or takes them again."""
        for vocabulary in self.vocabularies_:
            vocabulary.freeze(freeze)

    def fit(self, x: Any, unused_y: Any = None) -> CategoricalProcessor:
        """Learns the categories of rows, and takes no new ones after that."""
        del unused_y
        rows = [list(row) for row in x]
        width = len(rows[0]) if rows else 0
        if self.vocabularies_ is None:
            shared = CategoricalVocabulary()
            self.vocabularies_ = [shared if self.share else CategoricalVocabulary() for _ in range(width)]
        for row in rows:
            for vocabulary, category in zip(self.vocabularies_, row, strict=True):
                # What is missing in a table of floats is NaN, which is not a category.
                if not (isinstance(category, float) and np.isnan(category)):
                    vocabulary.add(category)
        if self.min_frequency > 0:
            for vocabulary in self.vocabularies_:
                vocabulary.trim(self.min_frequency)
        self.freeze()
        return self

    def fit_transform(self, x: Any, unused_y: Any = None) -> Iterator[Any]:
        """Learns the categories, and gives the rows as numbers."""
        rows = [list(row) for row in x]
        self.fit(rows, unused_y)
        return self.transform(rows)

    def transform(self, x: Any) -> Iterator[Any]:
        """Gives each row as an int64 array."""
        self.freeze()
        for row in x:
            yield np.array(
                [
                    0 if isinstance(c, float) and np.isnan(c) else v.get(c)
                    for v, c in zip(self.vocabularies_, row, strict=True)
                ],
                np.int64,
            )
