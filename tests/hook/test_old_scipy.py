"""SciPy's dropped functions."""

import numpy as np
import pytest
from PIL import Image

from millrace.hook import old_pictures, old_scipy


def test_functions_with_their_old_arguments():
    assert old_scipy.simps([1.0, 2.0, 3.0], [0, 1, 2], even="first") == 4.0
    assert old_scipy.binom_test(3, 10) == old_scipy.binom_test([3, 7]) == pytest.approx(0.34375)
    assert old_scipy.itemfreq([2, 5, 2]).tolist() == [[2, 2], [5, 1]]
    assert old_scipy.median_absolute_deviation([1.0, 2.0, 4.0]) == pytest.approx(1.4826)
    assert old_scipy.wminkowski([1, 2], [3, 5], 2, [1, 2]) == pytest.approx(np.hypot(2, 6))
    assert old_scipy.sph_harm(0, 1, 0.3, 0.5) == pytest.approx(np.sqrt(3 / np.pi) / 2 * np.cos(0.5))


def test_derivatives():
    assert old_scipy.derivative(lambda x: x**3, 2.0, dx=1e-3) == pytest.approx(12, rel=1e-6)
    assert old_scipy.derivative(np.sin, 1.0, dx=1e-2, n=2, order=5) == pytest.approx(-np.sin(1), rel=1e-6)
    with pytest.raises(ValueError, match="odd"):
        old_scipy.derivative(np.sin, 1.0, order=4)


def test_pictures_there_and_back(tmp_path):
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    name = str(tmp_path / "p.png")
    old_pictures.imsave(name, picture)
    assert old_pictures.imread(name).tolist() == picture.tolist()
    assert old_pictures.imread(name, flatten=True).dtype == np.float32
    assert old_pictures.imread(name, mode="L").shape == (4, 4)
    with open(name, "rb") as file:
        assert old_pictures.imread(file).shape == (4, 4, 3)


@pytest.mark.parametrize(("size", "shape"), [((2, 6), (2, 6)), (50, (2, 2)), (1.5, (6, 6))])
def test_sizes(size, shape):
    gray = np.eye(4, dtype=np.uint8)
    assert old_pictures.imresize(gray, size, "nearest").shape == shape


def test_floats_are_stretched_to_bytes():
    assert old_pictures.bytescale([0.0, 0.5, 1.0]).tolist() == [0, 128, 255]
    assert old_pictures.bytescale(np.array([7], np.uint8)).tolist() == [7]
    assert old_pictures.bytescale([1.0, 3.0], low=10, high=20).tolist() == [10, 20]
    assert np.array(old_pictures.toimage([[0.0, 2.0]])).tolist() == [[0, 255]]
    assert np.array(old_pictures.toimage(np.ones((3, 2, 5), np.uint8))).shape == (2, 5, 3)
    with pytest.raises(ValueError, match="low"):
        old_pictures.bytescale([1.0], low=9, high=3)


def test_kinds_of_pictures():
    assert old_pictures.toimage(np.ones((2, 2)), mode="F").mode == "F"
    assert old_pictures.toimage([[0, 300]], mode="I").getpixel((1, 0)) == 300
    assert old_pictures.toimage([[0, 9]], mode="1").mode == "1"
    assert old_pictures.toimage([[0, 9]], mode="P").mode == "P"
    assert old_pictures.fromimage(old_pictures.toimage([[0, 9]], mode="P")).shape == (1, 2, 3)
    assert old_pictures.fromimage(Image.new("1", (2, 1), 1)).tolist() == [[255, 255]]
    assert (
        old_pictures.imrotate(np.eye(3, dtype=np.uint8), 90, "nearest").tolist() == np.eye(3)[::-1].tolist()
    )
    with pytest.raises(ValueError, match="shape"):
        old_pictures.toimage(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="complex"):
        old_pictures.toimage([[1j]])
