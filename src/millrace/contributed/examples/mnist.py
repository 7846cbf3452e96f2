"""MNIST from the four idx files, as the tutorials of TensorFlow 1 read it. Nothing is downloaded.

The format: http://yann.lecun.com/exdb/mnist (a magic number, the sizes, big-endian, then bytes).
"""

from __future__ import annotations

import gzip
import os
from collections import namedtuple
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.errors import NotFoundError
from millrace.core.public import public
from millrace.opkit.random.seeds import get_seed

Datasets = namedtuple("Datasets", ["train", "validation", "test"])
DEFAULT_SOURCE_URL = public("contrib.learn.datasets.mnist.DEFAULT_SOURCE_URL")(
    "https://storage.googleapis.com/cvdf-datasets/mnist/"
)
_IMAGES, _LABELS = 2051, 2049
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@public("contrib.learn.python.learn.datasets.mnist.DataSet", "contrib.learn.datasets.mnist.DataSet")
class DataSet:
    """Images with labels, handed out in batches.

    Args:
      images: `[n, rows, columns, 1]`, uint8.
      labels: `[n]` or `[n, classes]`.
      fake_data: hand out constant images instead.
      one_hot: labels of fake data are vectors.
      dtype: float32, scaled to [0, 1], or uint8.
      reshape: make a row of each image.
      seed: of the order; None for the graph's seed, or any order.

    Raises:
      TypeError: `dtype` is another one.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = dtypes.float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        graph_seed, op_seed = get_seed(seed)
        np.random.seed(graph_seed if seed is None else op_seed)
        dtype = dtypes.as_dtype(dtype).base_dtype
        if dtype not in (dtypes.uint8, dtypes.float32):
            raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
        if fake_data:
            self._num_examples = 10000
            self.one_hot = one_hot
        else:
            if images.shape[0] != labels.shape[0]:
                raise AssertionError(f"images.shape: {images.shape} labels.shape: {labels.shape}")
            self._num_examples = images.shape[0]
            if reshape:
                images = images.reshape(images.shape[0], images.shape[1] * images.shape[2])
            if dtype is dtypes.float32:
                images = np.multiply(images.astype(np.float32), np.float32(1.0 / 255.0))
        self._images, self._labels = images, labels
        self._epochs_completed = 0
        self._index_in_epoch = 0

    @property
    def images(self) -> Any:
        """All images, in the order of this epoch."""
        return self._images

    @property
    def labels(self) -> Any:
        """All labels, in the order of this epoch."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """How many images there are."""
        return self._num_examples

    @property
    def epochs_completed(self) -> int:
        """How often all images have been handed out."""
        return self._epochs_completed

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """The next images and labels; a batch may reach into the next epoch.

        Args:
          batch_size: how many.
          fake_data: constant images and labels, as lists.
          shuffle: a new order for each epoch, from NumPy's global generator.
        """
        if fake_data:
            label = [1] + [0] * 9 if self.one_hot else 0
            return [[1] * 784 for _ in range(batch_size)], [label for _ in range(batch_size)]
        start = self._index_in_epoch
        if self._epochs_completed == 0 and start == 0 and shuffle:
            self._shuffle()
        if start + batch_size <= self._num_examples:
            self._index_in_epoch = end = start + batch_size
            return self._images[start:end], self._labels[start:end]
        self._epochs_completed += 1
        images, labels = self._images[start:], self._labels[start:]
        if shuffle:
            self._shuffle()
        self._index_in_epoch = end = batch_size - (self._num_examples - start)
        return np.concatenate((images, self._images[:end])), np.concatenate((labels, self._labels[:end]))

    def _shuffle(self) -> None:
        order = np.arange(self._num_examples)
        np.random.shuffle(order)
        self._images, self._labels = self.images[order], self.labels[order]


def _read(path: str, magic: int) -> np.ndarray:
    print("Extracting", path)  # noqa: T201 - as TensorFlow's does
    if not os.path.exists(path):
        raise NotFoundError(
            None, None, f"read_data_sets: millrace downloads nothing; put the file there. Received: {path!r}"
        )
    with gzip.open(path) as file:
        return _content(file.read(), magic, path)


def _content(data: bytes, magic: int, name: Any) -> np.ndarray:
    found = int.from_bytes(data[:4], "big")
    if found != magic:
        raise ValueError(f"Invalid magic number {found} in MNIST file: {name}")
    rank = found & 0xFF
    sizes = np.frombuffer(data, ">u4", rank, 4).tolist()
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def _unpacked(f: Any, magic: int) -> np.ndarray:
    print("Extracting", f.name)  # noqa: T201 - as TensorFlow's does
    with gzip.GzipFile(fileobj=f) as file:
        return _content(file.read(), magic, f.name)


@public("contrib.learn.datasets.mnist.dense_to_one_hot")
def dense_to_one_hot(labels_dense: Any, num_classes: int) -> np.ndarray:
    """Labels `[n]` as vectors `[n, num_classes]` with a one."""
    return np.eye(num_classes)[np.asarray(labels_dense).ravel()]


@public("contrib.learn.datasets.mnist.extract_images")
def extract_images(f: Any) -> np.ndarray:
    """The images `[n, rows, columns, 1]` of a compressed idx file.

    Args:
      f: the file, open for bytes.

    Raises:
      ValueError: it is of another kind.
    """
    return _unpacked(f, _IMAGES)[..., None]


@public("contrib.learn.datasets.mnist.extract_labels")
def extract_labels(f: Any, one_hot: bool = False, num_classes: int = 10) -> np.ndarray:
    """The labels `[n]` of a compressed idx file, or vectors `[n, num_classes]`.

    Args:
      f: the file, open for bytes.
      one_hot: whether they are vectors.
      num_classes: how long these are.

    Raises:
      ValueError: it is of another kind.
    """
    labels = _unpacked(f, _LABELS)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def _labels_of(path: str, one_hot: bool) -> np.ndarray:
    labels = _read(path, _LABELS)
    return np.eye(10)[labels] if one_hot else labels


@public(
    "examples.tutorials.mnist.input_data.read_data_sets",
    "contrib.learn.datasets.mnist.read_data_sets",
    "contrib.learn.python.learn.datasets.mnist.read_data_sets",
)
def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = dtypes.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = DEFAULT_SOURCE_URL,
) -> Datasets:
    """MNIST's training, validation and test sets, from the four compressed idx files in `train_dir`.

    Args:
      train_dir: the folder.
      fake_data: hand out constant data, and read nothing.
      one_hot: labels as vectors of 10 numbers.
      dtype: float32, scaled to [0, 1], or uint8.
      reshape: images as rows of 784 numbers instead of `[28, 28, 1]`.
      validation_size: how many of the training images become the validation set.
      seed: of the order.
      source_url: ignored; nothing is downloaded.

    Raises:
      NotFoundError: a file is missing.
      ValueError: `validation_size` is out of range, or a file is not of the format.
      TypeError: `dtype` is another one.
    """
    options: dict[str, Any] = {"dtype": dtype, "reshape": reshape, "seed": seed}
    if fake_data:
        empty = np.zeros(0)
        return Datasets(*(DataSet(empty, empty, True, one_hot, **options) for _ in range(3)))
    paths = [os.path.join(train_dir, name) for name in _FILES]
    train_images, train_labels = _read(paths[0], _IMAGES)[..., None], _labels_of(paths[1], one_hot)
    test_images, test_labels = _read(paths[2], _IMAGES)[..., None], _labels_of(paths[3], one_hot)
    if not 0 <= validation_size <= len(train_images):
        raise ValueError(
            f"Validation size should be between 0 and {len(train_images)}. Received: {validation_size}."
        )
    cut = validation_size
    return Datasets(
        train=DataSet(train_images[cut:], train_labels[cut:], **options),
        validation=DataSet(train_images[:cut], train_labels[:cut], **options),
        test=DataSet(test_images, test_labels, **options),
    )


@public("contrib.learn.datasets.mnist.load_mnist")
def load_mnist(train_dir: str = "MNIST-data") -> Datasets:
    """MNIST's three sets from the four compressed idx files in a folder; see `read_data_sets`."""
    return read_data_sets(train_dir)
