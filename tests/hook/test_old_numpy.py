"""NumPy's functions with what they took before NumPy 2."""

from types import ModuleType

import numpy
import pytest

from millrace.hook import old_numpy


@pytest.fixture
def np():
    module = ModuleType("numpy")
    vars(module).update(vars(numpy))
    shown = numpy.get_printoptions()
    old_numpy.restore(module)
    yield module
    numpy.set_printoptions(**shown)


def test_older_names_of_arguments(np):
    assert np.reshape([1, 2], newshape=[2, 1]).shape == np.reshape([1, 2], (2, 1)).shape == (2, 1)
    assert np.histogram([1, 1, 3], bins=2, normed=True)[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert np.percentile([1, 2], 50, interpolation="lower") == np.quantile([1, 2], 0.5, interpolation="lower")
    with pytest.raises(TypeError):
        np.reshape([1, 2], news=1)


def test_a_mesh_is_a_list(np):
    assert np.block(np.meshgrid([1, 2], [3])).tolist() == [[1, 2, 3, 3]]


def test_bytes_to_numbers(np):
    assert np.fromstring(b"\x01\x02", dtype=np.uint8).tolist() == [1, 2]
    assert np.fromstring("\x01\xff", np.uint8).tolist() == [1, 255]
    read = np.fromstring(b"\x01\x00\x02\x00", np.int16, count=1)
    read[0] = 5  # a copy, unlike `frombuffer`
    assert read.tolist() == [5] and np.fromstring(b"", np.uint8).size == 0
    assert np.fromstring("1 2", sep=" ").tolist() == [1, 2]
    with pytest.raises(ValueError, match="multiple"):
        np.fromstring(b"abc", np.int16)


def test_lists_of_unequal_lengths(np):
    made = np.asarray([[1, 2], [3]])
    assert made.dtype == object and made.shape == (2,) and made[1] == [3]
    assert np.array([numpy.ones(2), numpy.ones(3)]).dtype == object
    assert np.asanyarray([(1, 2), (1,)]).tolist() == [(1, 2), (1,)]
    assert np.array([[1], [2]], dtype=float).dtype == float
    with pytest.raises(ValueError, match="inhomogeneous"):
        np.array([[1, 2], [3]], dtype=float)
    with pytest.raises(ValueError):
        np.array([numpy.ones((2, 3)), numpy.ones((2, 4))])


def test_who_relies_on_the_refusal_still_gets_it(np):
    with pytest.raises(ValueError, match="inhomogeneous"):
        eval("make([[1], [2, 3]])", {"make": np.array, "__name__": "millrace.core"})


def test_scalars_within_lists_are_shown_as_numbers(np):
    assert str([np.float32(1.5), np.int64(2), np.bool_(True)]) == "[1.5, 2, True]"


def test_what_must_be_copied_is(np):
    given = numpy.arange(3)
    assert np.array(given, copy=False) is given and np.array([1, 2], copy=False).tolist() == [1, 2]
    assert np.array(given, np.float32, copy=False).dtype == np.float32
    assert np.array([[1], [2, 3]], copy=False).dtype == object
    if int(numpy.__version__[0]) >= 2:
        with pytest.raises(ValueError, match="avoid copy"):
            eval("make([1], copy=False)", {"make": np.array, "__name__": "jax.numpy"})
        with pytest.raises(ValueError, match="avoid copy"):  # there was no such argument
            np.asarray([1], copy=False)
