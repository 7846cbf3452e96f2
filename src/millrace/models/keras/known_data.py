"""The data sets that Keras knows, read from files in its folder: nothing is fetched."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.models.keras import fetching

_Arrays = tuple[Any, Any]


def _local(name: str) -> str:
    """The path of a file in the folder of data sets.

    Raises:
      FileNotFoundError: it is not there.
    """
    path = name if os.path.isabs(name) else os.path.join(fetching.home(), "datasets", name)
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"This data set is read from {path}, which does not exist. millrace downloads no data: put the "
            "file that TensorFlow's tf.keras.datasets keeps under that name there."
        )
    return path


def _arrays(path: str, names: tuple[str, ...], pickled: bool = False) -> list[Any]:
    with np.load(_local(path), allow_pickle=pickled) as file:
        return [file[name] for name in names]


@public("keras.datasets.mnist.load_data")
def load_mnist(path: str = "mnist.npz") -> tuple[_Arrays, _Arrays]:
    """Handwritten digits, 28 by 28: images and labels for training, and for testing.

    Args:
      path: the file in ~/.keras/datasets.

    Raises:
      FileNotFoundError: it is not there.
    """
    x_train, y_train, x_test, y_test = _arrays(path, ("x_train", "y_train", "x_test", "y_test"))
    return (x_train, y_train), (x_test, y_test)


@public("keras.datasets.fashion_mnist.load_data")
def load_fashion_mnist() -> tuple[_Arrays, _Arrays]:
    """Pictures of clothes, 28 by 28: images and labels for training, and for testing.

    Raises:
      FileNotFoundError: a file is missing in ~/.keras/datasets/fashion-mnist.
    """
    found: list[_Arrays] = []
    for part in ("train", "t10k"):
        labels = _idx(f"fashion-mnist/{part}-labels-idx1-ubyte.gz", 8)
        images = _idx(f"fashion-mnist/{part}-images-idx3-ubyte.gz", 16)
        found.append((images.reshape(len(labels), 28, 28), labels))
    return found[0], found[1]


def _idx(name: str, header: int) -> Any:
    with gzip.open(_local(name), "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


@public("keras.datasets.boston_housing.load_data")
def load_boston_housing(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[_Arrays, _Arrays]:
    """Prices of houses: features and prices for training, and for testing.

    Args:
      path: the file in ~/.keras/datasets.
      test_split: the share for testing.
      seed: of the order.

    Raises:
      FileNotFoundError: the file is not there.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be in [0, 1). Received: {test_split}")
    x, y = _arrays(path, ("x", "y"))
    order = np.arange(len(x))
    np.random.seed(seed)
    np.random.shuffle(order)
    x, y = x[order], y[order]
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])


def _batch(path: str, key: str) -> _Arrays:
    """A file of CIFAR: images, channels first, and labels."""
    with open(path, "rb") as file:
        found = pickle.load(file, encoding="bytes")
    found = {k.decode("utf8") if isinstance(k, bytes) else k: v for k, v in found.items()}
    return np.asarray(found["data"]).reshape(-1, 3, 32, 32), np.asarray(found[key])


def _channels_last(images: Any) -> Any:
    return images.transpose(0, 2, 3, 1) if settings.image_data_format() == "channels_last" else images


@public("keras.datasets.cifar10.load_data")
def load_cifar10() -> tuple[_Arrays, _Arrays]:
    """Small pictures of 10 kinds of things, for training and for testing.

    Raises:
      FileNotFoundError: ~/.keras/datasets/cifar-10-batches-py is not there.
    """
    folder = _local("cifar-10-batches-py")
    parts = [_batch(os.path.join(folder, f"data_batch_{k}"), "labels") for k in range(1, 6)]
    images = np.concatenate([p[0] for p in parts]).astype("uint8")
    labels = np.concatenate([p[1] for p in parts]).astype("uint8")
    x_test, y_test = _batch(os.path.join(folder, "test_batch"), "labels")
    return (_channels_last(images), labels.reshape(-1, 1)), (_channels_last(x_test), y_test.reshape(-1, 1))


@public("keras.datasets.cifar100.load_data")
def load_cifar100(label_mode: str = "fine") -> tuple[_Arrays, _Arrays]:
    """Small pictures of 100 kinds of things, for training and for testing.

    Args:
      label_mode: "fine", or "coarse" for 20 kinds.

    Raises:
      ValueError: another mode.
      FileNotFoundError: ~/.keras/datasets/cifar-100-python is not there.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError('`label_mode` must be one of `"fine"`, `"coarse"`.')
    folder = _local("cifar-100-python")
    found = []
    for part in ("train", "test"):
        images, labels = _batch(os.path.join(folder, part), label_mode + "_labels")
        found.append((_channels_last(images), labels.reshape(-1, 1)))
    return found[0], found[1]


# --- texts --------------------------------------------------------------------------------------------------


def _shuffled(x: Any, labels: Any) -> _Arrays:
    order = np.arange(len(x))
    np.random.shuffle(order)
    return x[order], labels[order]


def _numbered(x: Any, settings_: dict[str, Any]) -> list[Any]:
    """Texts with a start, numbers moved up, and rare or frequent words left out."""
    start, first = settings_["start_char"], settings_["index_from"]
    if start is not None:
        return [[start, *[w + first for w in text]] for text in x]
    return [[w + first for w in text] for text in x] if first else list(x)


def _limited(texts: list[Any], settings_: dict[str, Any]) -> list[Any]:
    most = settings_["num_words"] or max(max(t) for t in texts)
    least, other = settings_["skip_top"], settings_["oov_char"]
    if other is not None:
        return [[w if least <= w < most else other for w in text] for text in texts]
    return [[w for w in text if least <= w < most] for text in texts]


def _short(texts: list[Any], labels: Any, longest: int | None) -> tuple[list[Any], Any]:
    if not longest:
        return texts, labels
    kept = [(t, y) for t, y in zip(texts, labels, strict=True) if len(t) < longest]
    if not kept:
        raise ValueError(
            f"After filtering for sequences shorter than maxlen={longest}, no sequence was kept. Increase "
            "maxlen."
        )
    return [t for t, _ in kept], np.array([y for _, y in kept])


def _ragged(texts: list[Any]) -> Any:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


def _checked(kwargs: dict[str, Any], num_words: int | None) -> int | None:
    num_words = kwargs.pop("nb_words", num_words)
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
    return num_words


@public("keras.datasets.imdb.load_data")
def load_imdb(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[_Arrays, _Arrays]:
    """Reviews of films, as numbers of words, and whether they praise, for training and for testing.

    Args:
      path: the file in ~/.keras/datasets.
      num_words: words of at least this number are left out.
      skip_top: words below this number are left out.
      maxlen: longer reviews are left out.
      seed: of the order.
      start_char: begins each review.
      oov_char: stands for words left out.
      index_from: what is added to all numbers.
      **kwargs: `nb_words`, the old name of `num_words`.

    Raises:
      FileNotFoundError: the file is not there.
      ValueError: no review is short enough.
    """
    num_words = _checked(kwargs, num_words)
    x_train, y_train, x_test, y_test = _arrays(path, ("x_train", "y_train", "x_test", "y_test"), True)
    np.random.seed(seed)
    x_train, y_train = _shuffled(x_train, y_train)
    x_test, y_test = _shuffled(x_test, y_test)
    options = {
        "num_words": num_words,
        "skip_top": skip_top,
        "start_char": start_char,
        "oov_char": oov_char,
        "index_from": index_from,
    }
    texts = _numbered(np.concatenate([x_train, x_test]), options)
    labels = np.concatenate([y_train, y_test])
    count = len(x_train)
    if maxlen:
        kept_train, y_train = _short(texts[:count], labels[:count], maxlen)
        kept_test, y_test = _short(texts[count:], labels[count:], maxlen)
        texts, count = [*kept_train, *kept_test], len(kept_train)
        labels = np.concatenate([y_train, y_test])
    texts = _limited(texts, options)
    return (_ragged(texts[:count]), labels[:count]), (_ragged(texts[count:]), labels[count:])


@public("keras.datasets.imdb.get_word_index")
def imdb_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The numbers of the words of reviews."""
    with open(_local(path), encoding="utf8") as file:
        return json.load(file)


@public("keras.datasets.reuters.load_data")
def load_reuters(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[_Arrays, _Arrays]:
    """News, as numbers of words, and their topics, for training and for testing.

    Args:
      test_split: the share for testing.
      path, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from, **kwargs: as for
        `imdb.load_data`.
    """
    num_words = _checked(kwargs, num_words)
    x, labels = _arrays(path, ("x", "y"), True)
    np.random.seed(seed)
    x, labels = _shuffled(x, labels)
    options = {
        "num_words": num_words,
        "skip_top": skip_top,
        "start_char": start_char,
        "oov_char": oov_char,
        "index_from": index_from,
    }
    texts, labels = _short(_numbered(x, options), labels, maxlen)
    texts = _limited(texts, options)
    count = int(len(texts) * (1 - test_split))
    return (_ragged(texts[:count]), labels[:count]), (_ragged(texts[count:]), labels[count:])


@public("keras.datasets.reuters.get_word_index")
def reuters_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The numbers of the words of news."""
    with open(_local(path), encoding="utf8") as file:
        return json.load(file)
