"""Tests of tf.summary: what the messages hold, tags and names, collections and refusals."""

import io
import wave

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos

RNG = np.random.default_rng(5)


def _values(build):
    with tf.Graph().as_default(), tf.Session() as session:
        return tf.Summary.FromString(session.run(build())).value


def test_scalars_and_families():
    (value,) = _values(lambda: tf.summary.scalar("a b/c:d", np.float16(0.1)))
    assert value.tag == "a_b/c_d" and value.simple_value == np.float32(np.float16(0.1))
    (value,) = _values(lambda: tf.summary.scalar("x", 2, family="f"))
    assert value.tag == "f/f/x" and value.simple_value == 2
    found = _values(lambda: tf.scalar_summary(["p", "q"], [1.0, 2.0]))
    assert [(v.tag, v.simple_value) for v in found] == [("p", 1.0), ("q", 2.0)]


def test_histograms_hold_every_value():
    values = np.concatenate([RNG.standard_normal(100), [0, 0, 1e-13, 1e30, -1e25]]).astype(np.float32)
    (value,) = _values(lambda: tf.summary.histogram("h", values))
    histo, limits = value.histo, np.array(value.histo.bucket_limit)
    assert histo.num == 105 and sum(histo.bucket) == 105
    assert histo.min == values.min() and histo.max == values.max()
    np.testing.assert_allclose(histo.sum_squares, np.square(values.astype(float)).sum())
    assert (np.diff(limits) > 0).all() and len(limits) == len(histo.bucket)
    for i, count in enumerate(histo.bucket):
        low = limits[i - 1] if i else -np.inf
        assert count == ((values >= low) & (values < limits[i])).sum()
    (value,) = _values(lambda: tf.summary.histogram("h", np.zeros(0, np.float32)))
    assert list(value.histo.bucket) == [0] and value.histo.num == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16])
@pytest.mark.parametrize("channels,most", [(1, 1), (3, 2), (4, 3)])
def test_images(dtype, channels, most):
    pixels = (RNG.random((3, 4, 5, channels)) * 200).astype(dtype)
    found = _values(lambda: tf.summary.image("i", tf.constant(pixels), max_outputs=most))
    assert [v.tag for v in found] == (["i/image"] if most == 1 else [f"i/image/{k}" for k in range(most)])
    for value, picture in zip(found, pixels, strict=False):
        assert (value.image.height, value.image.width, value.image.colorspace) == (4, 5, channels)
        wide = picture.astype(np.float32)
        expected = picture if dtype == np.uint8 else (wide * (np.float32(255) / wide.max())).astype(np.uint8)
        with tf.Graph().as_default(), tf.Session() as session:
            decoded = session.run(tf.image.decode_png(value.image.encoded_image_string))
        np.testing.assert_array_equal(decoded, expected)


def test_images_with_negative_and_broken_pixels():
    pixels = np.array([-2.0, 0.0, 1.0, np.nan], np.float32).reshape(1, 2, 2, 1)
    (value,) = _values(lambda: tf.summary.image("i", pixels))
    with tf.Graph().as_default(), tf.Session() as session:
        decoded = session.run(tf.image.decode_png(value.image.encoded_image_string))
    assert decoded.ravel().tolist() == [1, 128, 191, 255]


def test_audio_is_a_wav_file():
    samples = np.array([[[0.0, 1.0], [-1.0, 0.5], [2.0, -0.25]]], np.float32)
    (value,) = _values(lambda: tf.summary.audio("a", samples, 8000.0))
    assert value.tag == "a/audio/0" and value.audio.content_type == "audio/wav"
    with wave.open(io.BytesIO(value.audio.encoded_audio_string)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 3)
        frames = np.frombuffer(file.readframes(3), "<i2").reshape(3, 2)
    np.testing.assert_array_equal(frames, [[0, 32767], [-32768, 16384], [32767, -8192]])


def test_texts_and_tensors():
    (value,) = _values(lambda: tf.summary.text("t", tf.constant(["a", "b"])))
    assert value.metadata.plugin_data.plugin_name == "text" and value.tensor.string_val == [b"a", b"b"]
    (value,) = _values(lambda: tf.summary.tensor_summary("t", 2.0, "what", display_name="who"))
    assert value.tensor.tensor_content == np.float32(2).tobytes()
    assert (value.metadata.summary_description, value.metadata.display_name) == ("what", "who")


def test_collections_and_merging():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        assert tf.summary.merge_all() is None
        with tf.name_scope("n"):
            tf.summary.scalar("a", 1.0)
        tf.summary.histogram("b", [1.0], collections=["other"])
        merged = tf.summary.merge_all()
        assert merged.op.type == "MergeSummary" and merged.op.name == "Merge/MergeSummary"
        assert [v.tag for v in tf.Summary.FromString(session.run(merged)).value] == ["n/a"]
        assert (
            len(graph.get_collection("other")) == 1 and graph.get_collection("summaries")[0].op.name == "n/a"
        )


@pytest.mark.parametrize(
    "build,message",
    [
        (lambda: tf.summary.histogram("h", [np.nan]), "Nan in summary histogram for: h"),
        (lambda: tf.summary.histogram("h", [np.inf]), "Infinity in summary histogram for: h"),
        (lambda: tf.summary.scalar("a", [1.0, 2.0]), r"not the same shape: \[\] != \[2\]"),
        (lambda: tf.summary.image("i", np.zeros([1, 2, 2, 2])), "last dim 1, 3, or 4"),
        (lambda: tf.summary.audio("i", np.zeros([2], np.float32), 1.0), "2-dimensional"),
        (lambda: tf.summary.merge([tf.constant("zz")]), "parse"),
        (
            lambda: tf.summary.merge([tf.scalar_summary("a", 1.0), tf.scalar_summary("a", 1.0)]),
            "Duplicate tag a",
        ),
    ],
)
def test_refusals(build, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _values(build)


def test_descriptions():
    node = protos.NodeDef(op="TensorSummary")
    node.attr["description"].s = b'{"typeHint": "x"}'
    assert tf.summary.get_summary_description(node).type_hint == "x"
    with pytest.raises(ValueError, match="Received: Const"):
        tf.summary.get_summary_description(protos.NodeDef(op="Const"))
    with tf.Graph().as_default(), pytest.raises(ValueError, match="string tensor"):
        tf.summary.text("t", tf.constant(1.0))
