"""Random draws against numbers recorded from TensorFlow 1.15 on a CPU device of one thread.

The arrays are named `Op/dtype/size/...`; the first axis counts successive runs of one op.
"""

import functools
import pathlib

import ml_dtypes
import numpy as np
import pytest

from millrace.dialect import jax_dialect
from millrace.opkit.random import bounded as philox_bounded
from millrace.opkit.random import choice as philox_choice
from millrace.opkit.random import fixed as philox_fixed
from millrace.opkit.random import philox
from millrace.opkit.random import rejection as philox_rejection

GOLDEN = np.load(pathlib.Path(__file__).with_name("philox_golden.npz"))
LOGITS = np.array([[0.1, 0.2, 0.7, -3.0], [1.0, -1.0, 0.0, 2.0], [-np.inf, 0.0, np.inf, 1.0], [-np.inf] * 4])
ALPHA = np.array([0.3, 0.5, 1.0, 1.5, 3.0, 50.0])
RATE = np.array([-1.0, 0.0, 0.5, 9.99, 10.0, 30.0, 1000.0, 1e4])
# Units in the last place allowed to numbers that pass through a logarithm, a sine or a power.
ULPS = {"RandomUniform": 0, "RandomStandardNormal": 3, "TruncatedNormal": 3, "RandomGamma": 8,
        "ParameterizedTruncatedNormal": 4, "bounded_rows": 4}  # fmt: skip
FIXED = {
    "Uniform": philox_fixed.uniform,
    "StandardNormal": philox_fixed.normal,
    "Normal": philox_fixed.normal,
    "TruncatedNormal": philox_rejection.truncated_normal,
}


def dtype_named(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def plan(case):
    """-> (first state, draw(state), blocks reserved by a run)."""
    op, dtype, *rest = case.split("/")
    dtype = dtype_named(dtype)
    size = int(rest[0]) if rest else 0
    if op.startswith("Stateless"):
        seed = np.array([2**40 + 5, -(2**50)]) if rest[-1] == "big" else np.array([5, -6], np.int32)
        if op == "StatelessMultinomial":
            seed = np.array([5, 6])
        state = philox.stateless_state(np, seed)
    else:
        state = philox.initial_state(3, 4)
    if op.endswith("UniformInt"):
        low, high = (np.array(int(v), dtype) for v in rest[1:])
        if op == "RandomUniformInt":
            state = philox.initial_state(-1, 9)
        return state, lambda s: philox_fixed.uniform_int(np, s, size, low, high), size * 256
    if op.endswith("Multinomial"):
        draw = functools.partial(philox_choice.categories, np, logits=LOGITS.astype(dtype), samples=size)
        return state, draw, philox_choice.reserved(len(LOGITS), size)
    if op == "RandomShuffle":
        return state, lambda s: philox_choice.permutation(s, size), philox_choice.permutation_reserved(size)
    if op == "RandomGamma":
        return state, lambda s: philox_rejection.gamma(s, size, ALPHA.astype(dtype)), size * ALPHA.size * 256
    if op == "RandomPoissonV2":
        return state, lambda s: philox_rejection.poisson(s, size, RATE, dtype), size * RATE.size * 256
    if op == "ParameterizedTruncatedNormal":
        shape, parameters = (size,), [np.array([float(v)], dtype) for v in rest[1:]]
    elif op == "bounded_rows":
        rows = [0.0, 1, 2], [1.0], [-2.0, 4, 1.9], [2.0, np.inf, 2.1]
        shape, parameters = (3, 70), [np.array(v) for v in rows]
    else:
        draw = FIXED[op.removeprefix("Stateless").removeprefix("Random")]
        if not op.startswith("Stateless"):
            state = philox.initial_state(123, -456)
        return state, lambda s: draw(np, s, size, dtype), size * 256
    layout = philox_bounded.layout(shape, tuple(p.size for p in parameters))
    return state, lambda s: philox_bounded.bounded_normal(s, shape, *parameters), layout.reserved


@pytest.mark.parametrize("case", GOLDEN.files)
def test_recorded(case):
    state, draw, reserved = plan(case)
    op, dtype, *_ = case.split("/")
    ulps = ULPS.get(op.removeprefix("Stateless").replace("RandomNormal", "RandomStandardNormal"), 0)
    for want in GOLDEN[case]:
        got = draw(state)
        if dtype not in ("int32", "int64"):
            got, want = got.astype(np.float64), want.astype(np.float64)
            unit = np.abs(np.spacing(want.astype(dtype_named(dtype)))).astype(np.float64)
            assert got.shape == want.shape
            assert np.all(np.abs(got - want) <= ulps * unit)
        else:
            np.testing.assert_array_equal(got, want)
        state = philox.skip(np, state, reserved)


def test_published_block():
    # The authors' test vector for key and counter of all ones.
    state = np.full(6, 0xFFFFFFFF, np.uint32)
    want = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert philox.blocks(np, state, 1)[0].tolist() == want


@pytest.mark.parametrize("start", [0, 2**32 - 5, 2**64 - 5, 2**128 - 5])
@pytest.mark.parametrize("stride", [1, 256])
def test_few_and_many_blocks_agree(start, stride):
    state = philox.skip(np, philox.skip(np, philox.initial_state(7, 0), min(start, 2**64 - 1)), 0)
    if start > 2**64:
        state[:4] = 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    many = philox.blocks(np, state, 20000, stride=stride, step=3)
    for lane in (0, 1, 4, 5, 17000):
        moved = philox.skip(np, state, lane * stride + 3)
        np.testing.assert_array_equal(many[lane], philox.blocks(np, moved, 1)[0])
    chosen = np.array([0, 3, 4, 5, 6, 7, 8, 17000])
    np.testing.assert_array_equal(philox.blocks(np, state, chosen, stride=stride, step=3), many[chosen])
    steps = np.arange(8, dtype=np.uint64)
    mixed = philox.blocks(np, state, chosen, stride=stride, step=steps)
    few = philox.blocks(np, state, chosen[:5], stride=stride, step=steps[:5])
    np.testing.assert_array_equal(mixed[:5], few)


def test_skip_carries_through_all_words():
    state = np.array([0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 3, 8, 9], np.uint32)
    assert philox.skip(np, state, 1).tolist() == [0, 0, 0, 4, 8, 9]
    assert state[0] == 0xFFFFFFFF


def test_parameters_without_an_answer_do_not_hang():
    state = philox.initial_state(1, 2)
    assert np.isnan(philox_rejection.gamma(state, 3, np.array([np.nan, -4.0]))).all()
    counts = philox_rejection.poisson(state, 3, np.array([np.nan, np.inf]), np.dtype(np.float32))
    assert np.isnan(counts).all()


def test_moments():
    state, count = philox.initial_state(11, 12), 200_000
    f64 = np.dtype(np.float64)
    z = philox_fixed.normal(np, state, count, f64)
    t = philox_rejection.truncated_normal(np, state, count, f64)
    g = philox_rejection.gamma(state, count, np.array([2.5]))
    p = philox_rejection.poisson(state, count, np.array([4.0, 40.0]), f64)
    assert abs(z.mean()) < 0.01 and abs(z.var() - 1) < 0.02
    assert np.abs(t).max() < 2 and abs(t.var() - 0.7737) < 0.01
    assert abs(g.mean() - 2.5) < 0.02 and abs(g.var() - 2.5) < 0.05
    np.testing.assert_allclose(p.mean(axis=0), [4, 40], rtol=0.01)
    np.testing.assert_allclose(p.var(axis=0), [4, 40], rtol=0.02)


@pytest.mark.xla
@pytest.mark.parametrize("count", [1, 5, 300])
def test_traced_draws_agree_with_the_host(count):
    jax = pytest.importorskip("jax")
    xp, f32 = jax_dialect(), np.dtype(np.float32)
    state = np.array([0xFFFFFFF0, 0xFFFFFFFF, 5, 6, 7, 8], np.uint32)
    low, high = np.int32(-9), np.int32(100)
    draws = {
        "words": lambda xp, s: philox.words(xp, s, count),
        "skip": lambda xp, s: philox.reserve(xp, s, 2**40 + count),
        "uniform": lambda xp, s: philox_fixed.uniform(xp, s, count, f32),
        "half": lambda xp, s: philox_fixed.uniform(xp, s, count, np.dtype(np.float16)),
        "int": lambda xp, s: philox_fixed.uniform_int(xp, s, count, low, high),
        "normal": lambda xp, s: philox_fixed.normal(xp, s, count, f32),
        "truncated": lambda xp, s: philox_rejection.truncated_normal(xp, s, count, f32),
        "stateless": lambda xp, s: philox.stateless_state(xp, s[:2].astype(np.int32)),
    }
    got = jax.jit(lambda s: {name: draw(xp, s) for name, draw in draws.items()})(state)
    for name, draw in draws.items():
        want, tolerance = draw(np, state), 2e-6 if name in ("normal", "truncated") else 0
        assert got[name].dtype == want.dtype
        given, want = np.asarray(got[name], np.float64), want.astype(np.float64)
        np.testing.assert_allclose(given, want, rtol=tolerance, atol=tolerance)


@pytest.mark.xla
def test_traced_draws_in_64_bits():
    jax = pytest.importorskip("jax")
    xp, f64, count = jax_dialect(), np.dtype(np.float64), 33
    low, high = np.int64(-9), np.int64(2**40)
    draws = {
        "uniform": lambda xp, s: philox_fixed.uniform(xp, s, count, f64),
        "int": lambda xp, s: philox_fixed.uniform_int(xp, s, count, low, high),
        "normal": lambda xp, s: philox_fixed.normal(xp, s, count, f64),
        "truncated": lambda xp, s: philox_rejection.truncated_normal(xp, s, count, f64),
        "seed": lambda xp, s: philox.stateless_state(xp, s[:2].astype(np.int64) << 20),
        "categories": lambda xp, s: philox_choice.categories(xp, s, xp.asarray(LOGITS), 5),
    }
    state = philox.initial_state(3, 4)
    with jax.enable_x64(True):
        got = jax.jit(lambda s: {name: draw(xp, s) for name, draw in draws.items()})(state)
    for name, draw in draws.items():
        want = draw(np, state)
        assert got[name].dtype == want.dtype
        np.testing.assert_allclose(np.asarray(got[name]), want, rtol=1e-13, atol=1e-13)
