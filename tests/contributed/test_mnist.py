"""The tutorials' MNIST reader on files made here."""

import gzip
import struct
import subprocess
import sys

import numpy as np
import pytest

import millrace as tf
from millrace.contributed.examples.mnist import DataSet
from millrace.hook import install, uninstall


@pytest.fixture
def folder(tmp_path):
    random = np.random.RandomState(0)
    for name, count in (("train", 60), ("t10k", 7)):
        images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = random.randint(0, 10, count).astype(np.uint8)
        with gzip.open(tmp_path / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
        with gzip.open(tmp_path / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + labels.tobytes())
    return str(tmp_path)


def read(*args, **kwargs):
    from millrace.examples.tutorials.mnist import input_data

    return input_data.read_data_sets(*args, **kwargs)


def test_shapes_dtypes_and_scale(folder):
    data = read(folder, one_hot=True, validation_size=10)
    assert (data.train.num_examples, data.validation.num_examples, data.test.num_examples) == (50, 10, 7)
    assert data.train.images.shape == (50, 784)
    assert data.train.images.dtype == np.float32
    assert 0 <= data.train.images.min() and data.train.images.max() == 1
    assert data.train.labels.shape == (50, 10)
    raw = read(folder, dtype=tf.uint8, reshape=False, validation_size=0)
    assert raw.train.images.shape == (60, 28, 28, 1)
    assert raw.train.labels.dtype == np.uint8


def test_batches_reach_into_the_next_epoch(folder):
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    data = DataSet(images, np.arange(5), dtype=tf.uint8, seed=3)
    first = [data.next_batch(2, shuffle=False)[1].tolist() for _ in range(3)]
    assert first == [[0, 1], [2, 3], [4, 0]]
    assert data.epochs_completed == 1
    seen = DataSet(images, np.arange(5), dtype=tf.uint8, seed=3)
    batch, labels = seen.next_batch(5)
    assert sorted(labels) == list(range(5))
    assert batch.ravel().tolist() == labels.tolist()


def test_the_order_is_that_of_the_seed(folder):
    orders = [read(folder, validation_size=0, seed=7).train.next_batch(60)[1].tolist() for _ in range(2)]
    assert orders[0] == orders[1]


def test_misuse(folder, tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="downloads nothing"):
        read(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="between 0 and 60. Received: 61"):
        read(folder, validation_size=61)
    with pytest.raises(TypeError, match="Invalid image dtype"):
        read(folder, validation_size=0, dtype=tf.int32)
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"none of it")
    with pytest.raises(ValueError, match="Invalid magic number"):
        read(folder)


def test_the_tutorials_import():
    install()
    try:
        from tensorflow.examples.tutorials.mnist import input_data  # pyright: ignore

        fake = input_data.read_data_sets("nowhere", fake_data=True, one_hot=True)
    finally:
        uninstall()
    images, labels = fake.train.next_batch(2, fake_data=True)
    assert len(images[0]) == 784
    assert labels == [[1] + [0] * 9] * 2


def test_the_module_that_holds_the_reader_in_contrib_learn():
    code = (
        "import millrace.hook; millrace.hook.install()\n"
        "from tensorflow.contrib.learn.python.learn.datasets.mnist import DataSet, read_data_sets\n"
        "from tensorflow.contrib.learn.python.learn.datasets import base, mnist\n"
        "import tensorflow as tf\n"
        "assert read_data_sets is mnist.read_data_sets is tf.contrib.learn.datasets.mnist.read_data_sets\n"
        "assert base.Datasets is tf.contrib.learn.datasets.base.Datasets\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
