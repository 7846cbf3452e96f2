"""Tests of verbs that the JAX dialect computes in its own way: long rows, roots of many numbers."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from millrace.dialect.jax.namespace import DIALECT  # noqa: E402 - after JAX is known to be there


def _best(x: np.ndarray, k: int) -> np.ndarray:
    """The places of the `k` largest: NaN first, of equals the first first."""
    nan = np.isnan(x)
    key = np.where(nan, 0, x).astype(np.float64)
    columns = np.broadcast_to(np.arange(x.shape[-1]), x.shape)
    return np.lexsort((columns, -key, ~nan), axis=-1)[..., :k]


@pytest.mark.parametrize(("shape", "k"), [((3, 1030), 5), ((2, 3, 5000), 1), ((4, 3001), 7), ((1024,), 8)])
@pytest.mark.parametrize("kind", ["few values", "odd values", "all different"])
def test_the_best_of_long_rows(shape: tuple[int, ...], k: int, kind: str) -> None:
    random = np.random.RandomState(0)
    x = random.randn(*shape).astype(np.float32)
    if kind == "few values":
        x = np.round(x)
    if kind == "odd values":
        x.flat[::3], x.flat[1::3], x.flat[::97], x.flat[::501] = 0.0, -0.0, -np.nan, np.inf
        x.flat[5::7] = -np.inf
    values, places = jax.jit(lambda x: DIALECT.top_k(x, k))(x)
    np.testing.assert_array_equal(places, _best(x, k))
    np.testing.assert_array_equal(values, np.take_along_axis(x, _best(x, k), -1))


def test_rows_without_anything_but_minus_infinity() -> None:
    x = np.full([2, 1025], -np.inf, np.float32)
    np.testing.assert_array_equal(jax.jit(lambda x: DIALECT.top_k(x, 3))(x)[1], [[0, 1, 2]] * 2)


@pytest.mark.parametrize("y", [0.6, -0.3, 0.25, 1.0, 2.5])
def test_powers_have_the_limits_of_numpys(y: float) -> None:
    exponent = np.float32(y)
    x = np.array([0, -0.0, 1, 2, 1e-30, 1e30, np.inf, -1, -np.inf, np.nan], np.float32)
    with np.errstate(all="ignore"):
        expected = np.power(x, exponent)
    np.testing.assert_allclose(jax.jit(lambda x: DIALECT.power(x, exponent))(x), expected, rtol=4e-6)
