"""Files, pictures and other tools around models."""

import gzip
import hashlib
import os
import pathlib
import zipfile

import h5py
import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def test_a_file_is_copied_once_and_checked(tmp_path, capsys):
    source = tmp_path / "source.txt"
    source.write_text("one")
    digest = hashlib.md5(b"one").hexdigest()
    path = K.utils.get_file("f.txt", str(source), file_hash=digest, cache_dir=str(tmp_path / "home"))
    assert path == str(tmp_path / "home" / "datasets" / "f.txt")
    source.write_text("two")
    K.utils.get_file("f.txt", str(source), cache_dir=str(tmp_path / "home"))
    assert pathlib.Path(path).read_text() == "one"
    with pytest.raises(ValueError, match="does not have the hash"):
        K.utils.get_file("f.txt", str(source), md5_hash="0" * 32, cache_dir=str(tmp_path / "home"))
    assert pathlib.Path(path).read_text() == "one" and os.listdir(os.path.dirname(path)) == ["f.txt"]
    sha = hashlib.sha256(b"two").hexdigest()
    K.utils.get_file("f.txt", source.as_uri(), file_hash=sha, cache_dir=str(tmp_path / "home"))
    assert pathlib.Path(path).read_text() == "two"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.txt", "x")
    K.utils.get_file("a.zip", str(tmp_path / "a.zip"), extract=True, cache_dir=str(tmp_path / "home"))
    assert os.path.exists(tmp_path / "home" / "datasets" / "inside.txt")


def test_data_sets_are_read_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"mnist\.npz"):
        K.datasets.mnist.load_data()
    folder = tmp_path / "datasets"
    folder.mkdir()
    images = np.arange(8).reshape(2, 2, 2)
    np.savez(folder / "mnist.npz", x_train=images, y_train=[1, 2], x_test=images, y_test=[3, 4])
    (x, y), (_, z) = K.datasets.mnist.load_data()
    assert x.shape == (2, 2, 2) and y.tolist() == [1, 2] and z.tolist() == [3, 4]
    np.savez(folder / "boston_housing.npz", x=np.arange(10), y=np.arange(10))
    (x, _), (rest, _) = K.datasets.boston_housing.load_data()
    assert len(x) == 8 and sorted([*x, *rest]) == list(range(10))
    (folder / "fashion-mnist").mkdir()
    for part in ("train", "t10k"):
        with gzip.open(folder / "fashion-mnist" / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(bytes(8) + bytes([5]))
        with gzip.open(folder / "fashion-mnist" / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(bytes(16) + bytes(784))
    (x, y), _ = K.datasets.fashion_mnist.load_data()
    assert x.shape == (1, 28, 28) and y.tolist() == [5]


def test_texts_of_data_sets_are_numbered(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    texts = np.empty(3, object)
    texts[:] = [[1, 2], [3], [4, 5, 6]]
    np.savez(
        tmp_path / "datasets" / "imdb.npz", x_train=texts, y_train=[0, 1, 0], x_test=texts, y_test=[1, 1, 0]
    )
    (x, y), _ = K.datasets.imdb.load_data(num_words=8, maxlen=4)
    assert sorted(x.tolist()) == [[1, 4, 5], [1, 6]] and len(y) == 2
    with pytest.raises(ValueError, match="no sequence was kept"):
        K.datasets.imdb.load_data(maxlen=1)
    with pytest.raises(TypeError, match="Unrecognized"):
        K.datasets.imdb.load_data(words=1)


def _branched():
    a = L.Input((3,), name="a")
    b = L.Dense(2, name="b")(a)
    c = K.Sequential([L.Dense(2, input_shape=(3,), name="inner")], name="nest")(a)
    return K.Model(a, L.Add(name="sum")([b, c]))


@pytest.mark.parametrize("ending", ["png", "svg", "dot", "pdf"])
def test_a_model_is_drawn(tmp_path, ending):
    path = str(tmp_path / f"m.{ending}")
    K.utils.plot_model(_branched(), path, show_shapes=True)
    assert os.path.getsize(path) > 200
    if ending in ("svg", "dot"):
        text = pathlib.Path(path).read_text()
        assert "sum: Add" in text and "(None, 2)" in text


def test_nested_models_open():
    text = K.utils.model_to_dot(_branched(), expand_nested=True).to_string()
    assert "inner: Dense" in text and "nest" not in text
    assert text.count("->") == 4


def test_what_lies_before_a_tensor():
    model = _branched()
    assert K.utils.get_source_inputs(model.output) == [model.input]
    free = tf.constant(1.0)
    assert K.utils.get_source_inputs(free) == [free]


def test_kernels_are_turned_round():
    model = K.Sequential([L.Conv2D(1, 2, input_shape=(4, 4, 1))])
    before = model.get_weights()[0]
    K.utils.convert_all_kernels_in_model(model)
    np.testing.assert_array_equal(model.get_weights()[0], before[::-1, ::-1])


def test_several_devices_must_be_there():
    with pytest.raises(ValueError, match="gpus >= 2"):
        K.utils.multi_gpu_model(_branched(), 1)
    with pytest.raises(ValueError, match="expect the following devices"):
        K.utils.multi_gpu_model(_branched(), 2)


def test_rows_of_a_file_stand_for_an_array(tmp_path):
    path = str(tmp_path / "d.h5")
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(20.0).reshape(10, 2)
    rows = K.utils.HDF5Matrix(path, "x", start=2, end=8, normalizer=lambda v: v + 1)
    assert len(rows) == 6 and rows.shape == (6, 2) and rows.ndim == 2 and rows.size == 12
    np.testing.assert_array_equal(rows[1:3], [[7, 8], [9, 10]])
    np.testing.assert_array_equal(rows[[0, 5]], [[5, 6], [15, 16]])
    np.testing.assert_array_equal(rows[0], [5, 6])
    for wrong in (6, slice(0, 7), [6]):
        with pytest.raises(IndexError):
            rows[wrong]


def test_a_function_reads_its_feeds_and_options_at_each_call():
    K = tf.keras.backend
    x, y = K.placeholder(shape=()), K.placeholder(shape=())
    kept, feeds = K.variable(0.0), {y: 3.0}
    metadata = tf.RunMetadata()
    run = K.function(
        [x],
        [x + 1.0],
        feed_dict=feeds,
        fetches=[K.update(kept, y * 10.0)],
        options=tf.RunOptions(output_partition_graphs=True),
        run_metadata=metadata,
    )
    assert run([10.0]) == [11.0] and K.get_value(kept) == 30.0
    assert len(metadata.partition_graphs) == 1
    feeds[y] = 4.0
    assert run([20.0]) == [21.0] and K.get_value(kept) == 40.0


def test_steps_over_a_variable():
    K = tf.keras.backend
    x = K.variable(np.ones((2, 3, 4)))
    last, outputs, _ = K.rnn(lambda a, states: (a + states[0], [a + states[0]]), x, [tf.zeros([2, 4])])
    np.testing.assert_array_equal(K.eval(last), np.full((2, 4), 3.0))
    assert K.int_shape(outputs) == (2, 3, 4)
