"""The switches between TensorFlow 1 and 2, and gradient tapes in a graph."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def test_what_millrace_does_is_granted() -> None:
    tf.disable_v2_behavior()
    tf.disable_eager_execution()
    assert not tf.executing_eagerly()


@pytest.mark.parametrize("name", ["enable_eager_execution", "enable_v2_behavior", "enable_tensor_equality"])
def test_the_rest_is_refused_with_advice(name: str) -> None:
    with pytest.raises(RuntimeError, match="TensorFlow 2; millrace runs TensorFlow 1 programs"):
        getattr(tf, name)()


def test_compiled_extensions_are_refused() -> None:
    with pytest.raises(tf.errors.NotFoundError, match="py_func"):
        tf.load_op_library("custom.so")


def test_tape() -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
        assert sess.run(tape.gradient(y, x)).tolist() == [[2, 4], [6, 8]]
        jacobian = sess.run(tape.jacobian(y, x))
        assert np.array_equal(np.einsum("ijij->ij", jacobian), [[2, 4], [6, 8]]) and jacobian.sum() == 20
        assert sess.run(tape.batch_jacobian(y, x)).tolist() == [[[2, 0], [0, 4]], [[6, 0], [0, 8]]]
        with tf.GradientTape() as once:
            z = x + 1.0
        once.gradient(z, x)
        with pytest.raises(RuntimeError, match="once"):
            once.gradient(z, x)


def test_tensor_messages() -> None:
    proto = tf.make_tensor_proto([[1, 2], [3, 4]], tf.float32)
    assert tf.make_ndarray(proto).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(TypeError, match="expected shape"):
        tf.make_tensor_proto([1, 2], shape=[3], verify_shape=True)


def test_bytes_written_in_a_text_mode_stay_what_they_are(tmp_path) -> None:
    import millrace as tf

    path = str(tmp_path / "f")
    with tf.gfile.Open(path, "w") as file:
        file.write("a")
        file.write(b"\xbb\x00")
        file.write("b")
    with tf.gfile.Open(path, "rb") as file:
        assert file.read() == b"a\xbb\x00b"
