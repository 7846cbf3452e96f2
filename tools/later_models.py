"""Builds models with TensorFlow 2, each in its own way, and runs what it saved in millrace.

    python tools/later_models.py PEER [NAME ...]

PEER is the Python of an environment with TensorFlow 2. It writes SavedModels of functions with loops,
choices, ragged, sparse and parsed inputs, images and random numbers, and of Keras layers, and says what each
gives. millrace loads them by tag, runs their signatures and compares.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

_TOLERANCE = {"rtol": 2e-5, "atol": 1e-5}


# --- in TensorFlow 2 ---------------------------------------------------------------------------------------


def _told(tf: Any, value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        value = value.to_tensor()
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    flat = [v.decode("latin-1") if isinstance(v, bytes) else v for v in array.ravel().tolist()]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": flat}


def functions(tf: Any) -> dict[str, tuple[Callable[..., Any], list[Any], list[Any]]]:
    """Functions by name: what they compute, the specifications of their arguments, and arguments."""
    spec, rng = tf.TensorSpec, np.random.RandomState(0)

    def control(x: Any, n: Any) -> Any:
        i, rows = tf.constant(0), tf.TensorArray(tf.float32, size=n)
        while i < n:
            x = tf.nn.tanh(x) + 0.1
            x = x * 0.5 if tf.reduce_sum(x) > 1.0 else x + 0.2
            rows = rows.write(i, x * tf.cast(i, tf.float32))
            i += 1
        chosen = tf.switch_case(tf.shape(x)[0] - 1, [lambda: 1.0, lambda: 2.0, lambda: 3.0])
        return {"x": x, "rows": rows.stack(), "chosen": chosen}

    def mapped(x: Any) -> Any:
        return {
            "map": tf.map_fn(lambda row: row * tf.reduce_sum(row), x),
            "scan": tf.scan(lambda a, b: a + b, x),
            "vectorized": tf.vectorized_map(lambda row: row * 2.0, x),
        }

    def ragged(texts: Any) -> Any:
        words = tf.strings.split(tf.strings.lower(texts))
        sizes = tf.strings.length(words)
        return {
            "sizes": words.row_lengths(),
            "dense": sizes.to_tensor(-1),
            "mean": tf.reduce_mean(tf.cast(sizes, tf.float32), 1),
            "codes": tf.strings.unicode_decode(texts, "UTF-8").to_tensor(),
            "pairs": tf.strings.ngrams(words, 2).to_tensor(""),
            "sparse": tf.sparse.to_dense(sizes.to_sparse()),
        }

    def sparse(places: Any, values: Any) -> Any:
        x = tf.sparse.SparseTensor(places, values, [3, 4])
        ids = tf.sparse.SparseTensor(places, tf.cast(values, tf.int64), [3, 4])
        return {
            "product": tf.sparse.sparse_dense_matmul(x, tf.ones([4, 2])),
            "sums": tf.sparse.reduce_sum(x, 1),
            "rows": tf.nn.safe_embedding_lookup_sparse(tf.eye(5), ids, combiner="mean"),
        }

    def images(x: Any) -> Any:
        boxes = tf.constant([[0.0, 0.0, 0.5, 0.5], [0.1, 0.1, 0.6, 0.6], [0.5, 0.5, 1.0, 1.0]])
        return {
            "bilinear": tf.image.resize(x, [5, 7]),
            "antialiased": tf.image.resize(x, [4, 4], antialias=True),
            "bicubic": tf.image.resize(x, [6, 5], "bicubic"),
            "cut": tf.image.crop_and_resize(x, boxes, [0, 0, 1], [3, 3]),
            "kept": tf.image.non_max_suppression(boxes, tf.constant([0.9, 0.8, 0.7]), 3, 0.3),
            "hue": tf.image.adjust_hue(x, 0.1),
        }

    def numbers(x: Any) -> Any:
        return {
            "einsum": tf.einsum("ij,kj->ik", x, x),
            "logs": tf.math.cumulative_logsumexp(x, 1),
            "counts": tf.math.bincount(tf.cast(x * 5, tf.int32), axis=-1, minlength=6, maxlength=6),
            "extremes": tf.tensor_scatter_nd_max(x, [[1, 1]], [7.0]),
            "quantiles": tf.math.ndtri(x * 0.5 + 0.1),
            "erfinv": tf.math.erfinv(x * 0.5),
            "diagonals": tf.linalg.diag(x, k=1),
            "spectrum": tf.abs(tf.signal.stft(tf.tile(x, [1, 8]), 8, 4)),
            "quantized": tf.quantization.quantize_and_dequantize_v2(x, -1.0, 3.0, range_given=True),
        }

    def randoms(seed: Any) -> Any:
        return {
            "uniform": tf.random.stateless_uniform([3], seed),
            "normal": tf.random.stateless_normal([3], seed),
            "whole": tf.random.stateless_uniform([3], seed, 0, 10, tf.int32),
            "truncated": tf.random.stateless_truncated_normal([3], seed),
        }

    def parsed(records: Any) -> Any:
        kinds = {
            "a": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]),
            "b": tf.io.VarLenFeature(tf.int64),
            "c": tf.io.RaggedFeature(tf.string),
        }
        found = tf.io.parse_example(records, kinds)
        return {"a": found["a"], "b": tf.sparse.to_dense(found["b"]), "c": found["c"].to_tensor()}

    feature = tf.train.Feature
    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "b": feature(int64_list=tf.train.Int64List(value=[4, 5])),
                "c": feature(bytes_list=tf.train.BytesList(value=[b"z", b"w"])),
            }
        )
    ).SerializeToString()
    rows, matrix = spec([None, 3], tf.float32), np.array([[1, 2, 3], [4, 5, 6]], "f")
    return {
        "control": (control, [rows, spec([], tf.int32)], [matrix, np.int32(3)]),
        "mapped": (mapped, [rows], [matrix]),
        "ragged": (ragged, [spec([None], tf.string)], [np.array([b"Hello big world", b"x y"])]),
        "sparse": (
            sparse,
            [spec([None, 2], tf.int64), spec([None], tf.float32)],
            [np.array([[0, 1], [0, 2], [2, 0]], "q"), np.array([1, 2, 3], "f")],
        ),
        "images": (images, [spec([None, None, None, 3], tf.float32)], [rng.rand(2, 8, 8, 3).astype("f")]),
        "numbers": (numbers, [spec([None, 4], tf.float32)], [rng.rand(3, 4).astype("f")]),
        "randoms": (randoms, [spec([2], tf.int32)], [np.array([1, 2], "i")]),
        "parsed": (parsed, [spec([None], tf.string)], [np.array([example, b""], object)]),
    }


def layers(tf: Any) -> dict[str, tuple[list[Any], tuple[int, ...], Any]]:
    """Keras models by name: layers, the shape of an example, and examples."""
    k, rng = tf.keras.layers, np.random.RandomState(1)
    tokens = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 9]], "f")
    return {
        "dense": (
            [k.Dense(8, "relu"), k.BatchNormalization(), k.Dropout(0.5), k.Dense(3, "softmax")],
            (4,),
            rng.rand(3, 4),
        ),
        "convolutions": (
            [
                k.Conv2D(8, 3, padding="same"),
                k.BatchNormalization(),
                k.ReLU(6.0),
                k.DepthwiseConv2D(3, 2),
                k.SeparableConv2D(4, 3),
                k.GlobalAveragePooling2D(),
            ],
            (16, 16, 3),
            rng.rand(2, 16, 16, 3),
        ),
        "recurrent": (
            [k.LSTM(5, return_sequences=True), k.Bidirectional(k.GRU(4)), k.Dense(2)],
            (7, 3),
            rng.rand(2, 7, 3),
        ),
        "masked": ([k.Embedding(10, 4, mask_zero=True), k.LSTM(5)], (6,), tokens),
        "embedded": ([k.Embedding(10, 4), k.Conv1D(3, 2), k.GlobalMaxPooling1D()], (6,), tokens),
    }


def write(folder: str) -> None:
    """Writes all models, and what they give as JSON."""
    tf: Any = importlib.import_module("tensorflow")
    told: dict[str, Any] = {}
    for name, (function, specs, arguments) in functions(tf).items():
        module = tf.Module()
        module.weights = tf.Variable([1.0, 2.0])
        module.serve = tf.function(function, input_signature=specs)
        tf.saved_model.save(module, os.path.join(folder, name), signatures=module.serve)
        names = function.__code__.co_varnames[: len(arguments)]
        told[name] = dict(zip(names, arguments, strict=True))
    for name, (stack, shape, examples) in layers(tf).items():
        model = tf.keras.Sequential([tf.keras.Input(shape), *stack])
        model.export(os.path.join(folder, name), verbose=False)
        told[name] = {model.inputs[0].name: np.float32(examples)}
    for name, feeds in told.items():
        run = tf.saved_model.load(os.path.join(folder, name)).signatures["serving_default"]
        out = run(**{key: tf.constant(value) for key, value in feeds.items()})
        told[name] = {
            "feeds": {key: _told(tf, tf.constant(value)) for key, value in feeds.items()},
            "outputs": {key: _told(tf, value) for key, value in out.items()},
        }
    pathlib.Path(folder, "told.json").write_text(json.dumps(told), encoding="utf-8")


# --- in millrace -------------------------------------------------------------------------------------------


def _array(told: Any) -> Any:
    if told["dtype"] == "object" or told["dtype"].startswith("|S"):
        return np.array([v.encode("latin-1") for v in told["values"]], object).reshape(told["shape"])
    return np.array(told["values"], told["dtype"]).reshape(told["shape"])


def _differs(found: Any, wanted: Any) -> bool:
    found = np.asarray(found)
    if found.shape != wanted.shape:
        return True
    if wanted.dtype == object:
        return bool(found.tolist() != wanted.tolist())
    return not np.allclose(found.astype(float), wanted.astype(float), equal_nan=True, **_TOLERANCE)


def compare(folder: str, name: str, told: Any) -> list[str]:
    """Runs one model; the outputs that differ."""
    import millrace as tf

    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], os.path.join(folder, name))
        signature = meta.signature_def["serving_default"]
        feeds = {signature.inputs[key].name: _array(value) for key, value in told["feeds"].items()}
        found = sess.run({key: info.name for key, info in signature.outputs.items()}, feeds)
    return [key for key, value in told["outputs"].items() if _differs(found[key], _array(value))]


def main() -> int:
    """Runs the checks; 1 where a model differs."""
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2])
        return 0
    if len(sys.argv) < 2:
        print((__doc__ or "").partition("\n\n")[2], file=sys.stderr)
        return 2
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], __file__, "--write", folder], check=True)
        told = json.loads(pathlib.Path(folder, "told.json").read_text(encoding="utf-8"))
        for name in sys.argv[2:] or told:
            try:
                wrong = compare(folder, name, told[name])
            except Exception as error:  # one that fails must not hide the rest
                wrong = [f"{type(error).__name__}: {error}"]
            bad += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok':4}  {name} {', '.join(wrong)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
