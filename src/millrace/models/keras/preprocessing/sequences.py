"""Sequences of one length, windows of series, pairs of words."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.engine.generators import Sequence


@public("keras.preprocessing.sequence.pad_sequences")
def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of one length, as an array.

    Args:
      sequences: a list of sequences.
      maxlen: the length; default, that of the longest.
      dtype: of the result.
      padding: "pre" or "post": where short ones are filled up.
      truncating: "pre" or "post": where long ones are cut.
      value: what they are filled with.

    Raises:
      ValueError: an element is not a sequence, steps differ in shape, or a mode is unknown.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be iterable. Received: {sequences!r}")
    for one in sequences:
        if not hasattr(one, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {one}")
    for name, mode in (("Truncating", truncating), ("Padding", padding)):
        if mode not in ("pre", "post"):
            raise ValueError(f'{name} type "{mode}" not understood')
    length = maxlen if maxlen is not None else max((len(s) for s in sequences), default=0)
    steps = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}. You should set "
            "`dtype=object` for variable length strings."
        )
    result = np.full((len(sequences), length, *steps), value, dtype=dtype)
    for row, one in enumerate(sequences):
        if not len(one) or not length:
            continue
        kept = np.asarray(one[-length:] if truncating == "pre" else one[:length], dtype=dtype)
        if kept.shape[1:] != steps:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {row} is different from expected "
                f"shape {steps}"
            )
        if padding == "post":
            result[row, : len(kept)] = kept
        else:
            result[row, -len(kept) :] = kept
    return result


@public("keras.preprocessing.sequence.make_sampling_table")
def make_sampling_table(size: int, sampling_factor: float = 1e-05) -> np.ndarray:
    """How likely a word is kept, by its rank, where frequencies follow Zipf's law.

    Args:
      size: how many words there are.
      sampling_factor: the smaller, the more seldom frequent words are kept.
    """
    rank = np.arange(size)
    rank[:1] = 1
    euler = 0.577
    inverse = rank * (np.log(rank) + euler) + 0.5 - 1.0 / (12.0 * rank)
    scaled = sampling_factor * inverse
    return np.minimum(1.0, scaled / np.sqrt(scaled))


@public("keras.preprocessing.sequence.skipgrams")
def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[Any], list[Any]]:
    """Pairs of words: those near each other, labelled 1, and random ones, labelled 0.

    Args:
      sequence: numbers of words; 0 is not a word.
      vocabulary_size: greater than every number.
      window_size: how far words of a pair are apart at most.
      negative_samples: random pairs for each true one.
      shuffle: whether the pairs are put in random order.
      categorical: labels [0, 1] and [1, 0] instead of 1 and 0.
      sampling_table: how likely each word is kept.
      seed: for the order.

    Returns:
      Pairs and labels.
    """
    positive: Any = [0, 1] if categorical else 1
    negative: Any = [1, 0] if categorical else 0
    couples: list[Any] = []
    labels: list[Any] = []
    for place, word in enumerate(sequence):
        if not word:
            continue
        if sampling_table is not None and sampling_table[word] < random.random():
            continue
        start, end = max(0, place - window_size), min(len(sequence), place + window_size + 1)
        for other in range(start, end):
            if other != place and sequence[other]:
                couples.append([word, sequence[other]])
                labels.append(positive)
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[k % len(words)], random.randint(1, vocabulary_size - 1)] for k in range(count)]
        labels += [negative] * count
    if shuffle:
        chosen = random.randint(0, 10**7) if seed is None else seed
        for values in (couples, labels):
            random.seed(chosen)
            random.shuffle(values)
    return couples, labels


@public("keras.preprocessing.sequence.TimeseriesGenerator")
class TimeseriesGenerator(Sequence):
    """Batches of windows of a series, and what follows each.

    Args:
      data: the series, time first.
      targets: of the same length.
      length: of a window, in steps of the series.
      sampling_rate: every how manieth step of a window is taken.
      stride: from one window's start to the next one's.
      start_index, end_index: the part of the series to use.
      shuffle: whether windows are drawn at random.
      reverse: whether time runs backwards in a window.
      batch_size: windows in a batch.

    Raises:
      ValueError: lengths differ, or the part is shorter than a window.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        if len(data) != len(targets):
            raise ValueError(
                f"Data and targets have to be of same length. Data length is {len(data)} while target length "
                f"is {len(targets)}"
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.batch_size = sampling_rate, stride, batch_size
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse = shuffle, reverse
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` is disallowed, as no "
                "part of the sequence would be left to be used as current step."
            )

    def __len__(self) -> int:
        return (self.end_index - self.start_index + self.batch_size * self.stride) // (
            self.batch_size * self.stride
        )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(
                first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride
            )
        samples = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1, ...] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """The arguments, the data as JSON."""
        found = {}
        for name in ("data", "targets"):
            value = getattr(self, name)
            value = value.tolist() if isinstance(value, np.ndarray) else value
            try:
                found[name] = json.dumps(value)
            except TypeError as error:
                raise TypeError(f"{name} not JSON Serializable: {value}") from error
        return {
            **found,
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """Class and configuration as JSON; **kwargs: for `json.dumps`."""
        described = {"class_name": type(self).__name__, "config": self.get_config()}
        return json.dumps(described, **kwargs)
