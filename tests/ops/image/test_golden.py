"""Images against what TensorFlow 1.15 computed; see `image_programs.py`."""

from pathlib import Path

import numpy as np
import pytest

import millrace as tf
from ops.image import image_programs

_GOLDEN = np.load(Path(__file__).parent / "image_golden.npz")
_NAMES = sorted({key.rpartition(".")[0] for key in _GOLDEN.files})


def test_every_program_is_recorded():
    with tf.Graph().as_default():
        assert sorted(image_programs.programs(tf)) == _NAMES


@pytest.mark.parametrize("name", _NAMES)
def test_golden(name):
    values = image_programs.run(tf, tf.Session, name, image_programs.times(name))
    for number, value in enumerate(values):
        want = _GOLDEN[f"{name}.{number}"]
        assert value.dtype == want.dtype and value.shape == want.shape, number
        if want.dtype.kind == "f":
            np.testing.assert_allclose(value, want, rtol=2e-5, atol=2e-5, err_msg=str(number))
        else:
            assert np.array_equal(value, want), number
