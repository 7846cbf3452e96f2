"""Zeros, infinities, NaN and numbers that do not fit: what comes out, alike in both tiers."""

from typing import Any

import numpy as np
import pytest

import millrace as tf

INF, NAN = np.inf, np.nan


@pytest.fixture(params=["interpret", "compile"])
def tier(request, monkeypatch):
    """Each test once in each tier."""
    monkeypatch.setenv("MILLRACE_TIER", request.param)
    return request.param


def run(fetches: Any, feeds: Any = None) -> Any:
    """The values of `fetches` in a new session."""
    with tf.Session() as sess:
        return sess.run(fetches, feeds)


WIDE = [NAN, INF, -INF, 1e20, -1e20, 300.0, -1.0, 70000.0, 5.7, -5.7, 3e9, -3e9, 2.0**31, -(2.0**31), 1.5e19]
_LEAST, _LOW = -(2**31), -(2**63)
CASTS = {
    "int8": [0, 0, 0, 0, 0, 44, -1, 112, 5, -5, 0, 0, 0, 0, 0],
    "uint8": [0, 0, 0, 0, 0, 44, 255, 112, 5, 251, 0, 0, 0, 0, 0],
    "int16": [0, 0, 0, 0, 0, 300, -1, 4464, 5, -5, 0, 0, 0, 0, 0],
    "uint16": [0, 0, 0, 0, 0, 300, 65535, 4464, 5, 65531, 0, 0, 0, 0, 0],
    "int32": [*[_LEAST] * 5, 300, -1, 70000, 5, -5, *[_LEAST] * 5],
    "uint32": [0, 0, 0, 0, 0, 300, 2**32 - 1, 70000, 5, 2**32 - 5, 3 * 10**9, 1294967296, 2**31, 2**31, 0],
    "int64": [*[_LOW] * 5, 300, -1, 70000, 5, -5, 3 * 10**9, -3 * 10**9, 2**31, -(2**31), _LOW],
    "uint64": [2**63, 0, 2**63, 0, 2**63, 300, 2**64 - 1, 70000, 5, 2**64 - 5, 3 * 10**9, 2**64 - 3 * 10**9,
               2**31, 2**64 - 2**31, 15 * 10**18],
}  # fmt: skip


@pytest.mark.parametrize("target", CASTS)
@pytest.mark.parametrize("source", ["float64", "float32", "complex128"])
def test_floats_that_fit_no_integer(tier, source, target):
    x = tf.placeholder(source, [None])
    got = run(tf.cast(x, target), {x: np.array(WIDE)})
    wanted = np.array(CASTS[target], target)
    if source == "float32" and target in ("uint64", "uint32", "int64"):  # 24 bits of 15e18 and 3e9
        assert got[:-1].tolist() == wanted[:-1].tolist()
    else:
        assert got.tolist() == wanted.tolist()


def test_half_to_integers(tier):
    x = tf.placeholder(tf.float16, [None])
    got = run([tf.cast(x, d) for d in ("int8", "uint16", "int32")], {x: [NAN, INF, -65504, 300, -1]})
    assert [g.tolist() for g in got] == [
        [0, 0, 32, 44, -1],
        [0, 0, 32, 300, 65535],
        [_LEAST, _LEAST, -65504, 300, -1],
    ]


@pytest.mark.parametrize("function", ["sqrt", "rsqrt", "reciprocal"])
def test_no_gradient_from_none(tier, function):
    x = tf.placeholder(tf.float32, [None])
    dy = tf.placeholder(tf.float32, [None])
    dx = tf.gradients(getattr(tf, function)(x), x, dy)[0]
    got = run(dx, {x: [0.0, -0.0, -1.0, INF, NAN, 4.0], dy: [0.0] * 6})
    assert got.tolist() == [0.0] * 6
    slope = {"sqrt": INF, "rsqrt": -INF, "reciprocal": -INF}[function]
    assert run(dx, {x: [0.0], dy: [1.0]})[0] == slope


@pytest.mark.parametrize(
    ("function", "at"), [("log", 0.0), ("log1p", -1.0), ("asin", 1.0), ("acos", 1.0), ("atanh", 1.0)]
)
def test_no_second_gradient_from_none(tier, function, at):
    x = tf.placeholder(tf.float32, [None])
    first = tf.gradients(getattr(tf, function)(x), x)[0]
    second = tf.gradients(first, x, tf.zeros_like(x))[0]
    assert run(second, {x: [at, 0.5]}).tolist() == [0.0, 0.0]


def test_norms_and_deviations_at_zero(tier):
    x = tf.placeholder(tf.float32, [2, 2])
    mask = tf.constant([0.0, 1.0])
    norm = tf.gradients(tf.norm(x, axis=1) * mask, x)[0]
    deviation = tf.gradients(tf.math.reduce_std(x, 1) * mask, x)[0]
    got = run([norm, deviation], {x: [[0.0, 0.0], [3.0, 4.0]]})
    np.testing.assert_allclose(got[0], [[0, 0], [0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(got[1], [[0, 0], [-0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_places_of_extremes_pass_over_nan(tier, dtype):
    x = tf.placeholder(dtype, [None, 3])
    rows = [[NAN] * 3, [NAN, 1, NAN], [NAN, -INF, NAN], [NAN, INF, NAN], [3, NAN, 5], [5, NAN, 1]]
    high, low, down = run([tf.argmax(x, 1), tf.argmin(x, 1), tf.argmax(x, 0)], {x: np.array(rows)})
    assert high.tolist() == [0, 1, 0, 1, 2, 0]
    assert low.tolist() == [0, 1, 1, 0, 0, 2]
    assert down.tolist() == [5, 3, 4]


def test_pools_pass_over_nan(tier):
    values = np.arange(16.0).reshape(1, 4, 4, 1)
    values[0, 0, 0, 0] = values[0, 1, 3, 0] = NAN
    values[0, 2:, :2, 0] = NAN
    x = tf.placeholder(tf.float32, [1, 4, 4, 1])
    y = tf.nn.max_pool(x, 2, 2, "VALID")
    z = tf.nn.max_pool(x, 3, 1, "SAME")
    got = run([y, tf.gradients(y, x)[0], z, tf.gradients(z, x)[0]], {x: values})
    least = np.finfo(np.float32).min
    assert got[0].ravel().tolist() == [5, 6, least, 15]
    assert got[1].ravel().tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert got[2].ravel().tolist() == [5, 6, 6, 6, 5, 10, 11, 11, 5, 14, 15, 15, least, 14, 15, 15]
    assert got[3].sum() == 16


def test_extremes_of_segments_pass_over_nan(tier):
    x = tf.placeholder(tf.float32, [None])
    ids = [0, 0, 1, 1, 2, 3, 3]
    fetches = [tf.segment_max(x, ids), tf.segment_min(x, ids), tf.math.unsorted_segment_max(x, ids, 4)]
    for got in run(fetches, {x: [NAN, 1, 2, NAN, NAN, 3, NAN]}):
        np.testing.assert_array_equal(got, [1, 2, NAN, 3])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_order_with_nan_and_zeros_of_both_signs(tier, dtype):
    x = tf.placeholder(dtype, [None])
    minus = -np.float64(NAN)
    values = [2.0, NAN, 1.0, INF, 3.0, -INF, 0.0, -0.0, minus, 1.0]
    up, down, (best, places) = run(
        [tf.argsort(x, stable=True), tf.argsort(x, direction="DESCENDING", stable=True), tf.nn.top_k(x, 3)],
        {x: np.array(values)},
    )
    assert up.tolist() == [1, 8, 5, 6, 7, 2, 9, 0, 4, 3]  # ascending is descending of the negatives
    assert down.tolist() == [1, 8, 3, 4, 0, 2, 9, 6, 7, 5]
    assert places.tolist() == [1, 8, 3] and np.isnan(best[:2]).all() and best[2] == INF


def test_roots_of_infinity_and_powers_of_complex_zero(tier):
    x = tf.placeholder(tf.float32, [None])
    assert run([tf.pow(x, 0.5), tf.pow(x, [0.5])], {x: [-INF, 4.0, -0.0]})[0].tolist() == [INF, 2.0, 0.0]
    c = tf.placeholder(tf.complex64, [None])
    got = run(tf.pow(c, [0, 2 + 1j, 2]), {c: [0, 0, 3j]})
    np.testing.assert_allclose(got, [1, 0, -9], atol=1e-5)


def test_gamma_functions_at_their_poles(tier):
    x = tf.placeholder(tf.float32, [None])
    got = run([tf.digamma(x), tf.polygamma(tf.zeros_like(x), x)], {x: [0.0, -0.0, -1.0, -INF, -2.0]})
    assert got[0].tolist() == got[1].tolist() == [INF] * 5
    assert run(tf.zeta(x, [-1.0]), {x: [2.0]})[0] == INF


def test_incomplete_functions_outside_their_domain(tier):
    a, x = (tf.placeholder(tf.float32, [None]) for _ in range(2))
    b = tf.ones_like(a) * 2
    got = run(tf.betainc(a, b, x), {a: [1, -1, 0, INF, 2, 2, NAN], x: [0.5, 0.5, 0.5, 0.5, -0.1, 1.1, 0.5]})
    np.testing.assert_allclose(got, [0.75, NAN, NAN, NAN, NAN, NAN, NAN], rtol=1e-6)
    got = run([tf.igamma(a, x), tf.igammac(a, x)], {a: [0, INF, 0, INF], x: [0.5, 3, 0, INF]})
    np.testing.assert_array_equal(got, [[1, 0, NAN, NAN], [0, 1, NAN, NAN]])


@pytest.mark.parametrize("shape", [(5, 1, 1), (1, 5, 1), (1, 1, 5)])
def test_every_maximum_of_a_pool_in_space_gets_its_gradient(tier, shape):
    x = tf.reshape(tf.constant([1.0, 1, 0, 2, 2]), [1, *shape, 1])
    ksize = [1, *(2 if n == 5 else 1 for n in shape), 1]
    g = tf.gradients(tf.nn.max_pool3d(x, ksize, [1] * 5, "VALID"), x)[0]
    assert run(g).ravel().tolist() == [1, 2, 0, 2, 1]
