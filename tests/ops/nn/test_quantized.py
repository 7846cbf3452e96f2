"""Quantized networks: every number as TensorFlow 1.15.5 computes it, fused ones as TensorFlow 2 does.

`quantized_golden.npz` holds what TensorFlow gave for the same inputs, which are drawn anew from seeds.
"""

from __future__ import annotations

import itertools
import pathlib

import numpy as np
import pytest

import millrace as tf

raw = tf.raw_ops
GOLDEN = np.load(pathlib.Path(__file__).with_name("quantized_golden.npz"))
RANGES = ((-1.0, 1.0), (0.0, 6.0), (-2.5, 3.0), (0.5, 4.0))
PAIRS = tuple(enumerate(itertools.product(RANGES, RANGES)))
_PLAIN = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}


def drawn(shape, name, seed):
    """A quantized tensor whose integers come from a seed."""
    bounds = np.iinfo(_PLAIN[name])
    numbers = np.random.RandomState(seed).randint(bounds.min, bounds.max + 1, shape).astype(_PLAIN[name])
    return quantized(numbers, name)


def quantized(numbers, name):
    return tf.bitcast(tf.constant(numbers), tf.as_dtype(name))


def values(found):
    """The integers and ranges that a session gives."""
    plain = [tf.bitcast(t, _PLAIN[t.dtype.name]) if t.dtype.name.startswith("q") else t for t in found]
    with tf.Session() as sess:
        return [np.asarray(v) for v in sess.run(plain)]


def check(name, found):
    for k, value in enumerate(values(found)):
        wanted = GOLDEN[f"{name}.{k}"]
        assert value.dtype == wanted.dtype, name
        if k == 0:
            np.testing.assert_array_equal(value, wanted, err_msg=name)
        else:
            np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-7, err_msg=name)


def of_pair(a, b, of="x y"):
    first, second = of.split()
    (low, high), (other_low, other_high) = a, b
    return {
        f"min_{first}": low,
        f"max_{first}": high,
        f"min_{second}": other_low,
        f"max_{second}": other_high,
    }


@pytest.mark.parametrize("k,ends", PAIRS[::3])
def test_products(k, ends):
    x, w = drawn((3, 5), "quint8", k), drawn((5, 4), "quint8", k + 50)
    check(f"mm{k}", raw.QuantizedMatMul(a=x, b=w, **of_pair(*ends, "a b")))
    image, filters = drawn((1, 5, 6, 2), "quint8", k), drawn((3, 3, 2, 3), "quint8", k + 50)
    found = raw.QuantizedConv2D(
        input=image,
        filter=filters,
        strides=[1, 2, 2, 1] if k % 2 else [1, 1, 1, 1],
        padding="SAME" if k % 3 else "VALID",
        **of_pair(*ends, "input filter"),
    )
    check(f"conv{k}", found)


@pytest.mark.parametrize("k,ends", PAIRS[::5])
def test_sums(k, ends):
    for name, kind in (("bias", "quint8"), ("bias32_", "qint8")):
        x, bias = drawn((3, 5), kind, k), drawn((5,), kind, k + 50)
        found = raw.QuantizedBiasAdd(input=x, bias=bias, out_type=tf.qint32, **of_pair(*ends, "input bias"))
        check(f"{name}{k}", found)
    for name, shape in (("", (3, 5)), ("b", (5,))):
        full, part = drawn((3, 5), "quint8", k), drawn(shape, "quint8", k + 50)
        check(f"add{name}{k}", raw.QuantizedAdd(x=full, y=part, **of_pair(*ends)))
        part, full = drawn(shape, "quint8", k), drawn((3, 5), "quint8", k + 50)
        check(f"mul{name}{k}", raw.QuantizedMul(x=part, y=full, **of_pair(*ends)))


@pytest.mark.parametrize("k,ends", PAIRS[::2])
def test_new_ranges(k, ends):
    numbers = np.random.RandomState(k).randint(-(2**31), 2**31, (3, 7)).astype("int32") // (1 << (8 + k % 9))
    x = quantized(numbers, "qint32")
    old = {"input_min": ends[0][0] * 1000, "input_max": ends[0][1] * 1000}
    check(f"rr{k}", raw.RequantizationRange(input=x, **old))
    check(f"down{k}", raw.QuantizeDownAndShrinkRange(input=x, out_type=tf.quint8, **old))
    new = {"requested_output_min": ends[1][0], "requested_output_max": ends[1][1]}
    for name, kind in (("req", tf.quint8), ("req8", tf.qint8)):
        found = raw.Requantize(input=x, out_type=kind, **old, **new)
        if ends[1][0] > 0:
            with pytest.raises(
                tf.errors.InvalidArgumentError, match="requested_output_min must be <= 0, but got 0.5"
            ):
                values(found)
        else:
            check(f"{name}{k}", found)


@pytest.mark.parametrize("k", range(4))
def test_layers(k):
    low, high = RANGES[k]
    for kind in ("quint8", "qint32"):
        x, ends = drawn((3, 5), kind, k), {"min_features": low, "max_features": high, "out_type": kind}
        check(f"relu{k}{kind}", raw.QuantizedRelu(features=x, **ends))
        check(f"relu6{k}{kind}", raw.QuantizedRelu6(features=x, **ends))
    image = drawn((1, 5, 6, 2), "quint8", k)
    pool = {
        "ksize": [1, 3, 2, 1],
        "strides": [1, 2, 1, 1],
        "padding": "SAME",
        "min_input": low,
        "max_input": high,
    }
    check(f"avg{k}quint8", raw.QuantizedAvgPool(input=image, **pool))
    check(f"max{k}quint8", raw.QuantizedMaxPool(input=image, **pool))
    check(f"inorm{k}quint8", raw.QuantizedInstanceNorm(x=image, x_min=low, x_max=high))
    given = raw.QuantizedInstanceNorm(
        x=image, x_min=low, x_max=high, output_range_given=True, given_y_min=-1.5, given_y_max=2.0
    )
    check(f"inormg{k}quint8", given)


def test_a_largest_value():
    x = quantized(np.uint8([0, 100, 255]), "quint8")
    found = raw.QuantizedReluX(features=x, max_value=2.0, min_features=-1.0, max_features=4.0)
    steps, low, high = values(found)
    assert (steps.tolist(), low, high) == ([51, 100, 153], -1, 4)


def test_batch_normalization():
    rng = np.random.RandomState(3)
    real = rng.uniform(-1, 1, (1, 3, 4, 2))
    parts = {"t": real, "m": [0.1, -0.2], "v": [0.5, 2.0], "beta": [0.3, 0.0], "gamma": [1.5, -0.5]}
    given = {}
    for name, part in parts.items():
        steps = np.rint((np.asarray(part) + 4) / 8 * 255).astype(np.uint8)
        given.update({name: quantized(steps, "quint8"), f"{name}_min": -4.0, f"{name}_max": 4.0})
    for scaled in (True, False):
        found = raw.QuantizedBatchNormWithGlobalNormalization(
            **given, out_type=tf.qint32, variance_epsilon=0.01, scale_after_normalization=scaled
        )
        steps, low, high = values(found)
        assert (low, high) == (-(1 << 20), 1 << 20)
        scale = (np.array(parts["gamma"]) if scaled else 1) / np.sqrt(np.array(parts["v"]) + 0.01)
        wanted = (real - parts["m"]) * scale + parts["beta"]
        np.testing.assert_allclose(steps / 2**31 * 2**20, wanted, atol=0.07)


# --- fused -------------------------------------------------------------------------------------------------

FILTER = GOLDEN["w"]
BIAS = GOLDEN["b"]
CONV = {"strides": [1, 1, 1, 1], "padding": "SAME"}
WANTED = {"min_freezed_output": -5.0, "max_freezed_output": 20.0}
ONE = {"min_filter": -0.7, "max_filter": 1.0}
EACH = {
    "min_filter": -np.linspace(0.5, 1, 8).astype("f"),
    "max_filter": np.linspace(0.6, 0.9, 8).astype("f"),
}


def image_of(kind):
    low = -3.0 if kind == "qint8" else 0.0
    return {"input": quantized(GOLDEN[f"x{kind}"], kind), "min_input": low, "max_input": 6.0}


@pytest.mark.parametrize("kind", ["quint8", "qint8"])
def test_fused_convolutions(kind):
    given = {**image_of(kind), **CONV, "filter": quantized(FILTER, "qint8")}
    check(f"bias{kind}s", raw.QuantizedConv2DWithBias(**given, **ONE, bias=BIAS))
    check(f"biasrelu{kind}s", raw.QuantizedConv2DWithBiasAndRelu(**given, **ONE, bias=BIAS))
    for name, ends in (("s", ONE), ("v", EACH)):
        rectified = raw.QuantizedConv2DWithBiasAndReluAndRequantize(**given, **ends, **WANTED, bias=BIAS)
        check(f"brreq{kind}{name}quint8", rectified)
        check(
            f"breq{kind}{name}qint8",
            raw.QuantizedConv2DWithBiasAndRequantize(**given, **ends, **WANTED, bias=BIAS),
        )
    if kind == "quint8":
        check("reqquint8sqint8", raw.QuantizedConv2DAndRequantize(**given, **ONE, **WANTED))


def test_fused_depthwise_convolutions():
    given = {**image_of("quint8"), **CONV, **ONE, "filter": quantized(FILTER[:, :, :, :2], "qint8")}
    check("dwquint8", raw.QuantizedDepthwiseConv2D(**given))
    check("dwbquint8", raw.QuantizedDepthwiseConv2DWithBias(**given, bias=BIAS))
    check("dwbrquint8", raw.QuantizedDepthwiseConv2DWithBiasAndRelu(**given, bias=BIAS))
    found = raw.QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize(**given, **WANTED, bias=BIAS)
    check("dwbrrquint8", found)


@pytest.mark.parametrize("mode", ["MIN_FIRST", "SCALED"])
def test_fused_products(mode):
    given = {
        "a": quantized(GOLDEN["xquint8"].reshape(25, 4), "quint8"),
        "b": quantized(FILTER.reshape(4, 72)[:, :8], "qint8"),
        **of_pair((0.0, 6.0), (-0.7, 1.0), "a b"),
        "bias": BIAS,
        "input_quant_mode": mode,
    }
    check(f"mmbquint8{mode}", raw.QuantizedMatMulWithBias(**given))
    check(f"mmbrquint8{mode}", raw.QuantizedMatMulWithBiasAndRelu(**given))
    check(f"mmbrrquint8{mode}", raw.QuantizedMatMulWithBiasAndReluAndRequantize(**given, **WANTED))


def test_fused_parts_mean_what_they_do_apart():
    """What TensorFlow cannot run on a CPU of its own: against the same steps, one by one."""
    given = {**image_of("quint8"), **CONV, **ONE, "filter": quantized(FILTER, "qint8")}
    sums, low, high = values(raw.QuantizedConv2DPerChannel(**given))
    step = 6.0 / 255 / 127
    relu = values(raw.QuantizedConv2DAndRelu(**given))
    np.testing.assert_array_equal(relu[0], np.maximum(sums, 0))
    np.testing.assert_allclose(relu[1:], (low, high))
    small = values(raw.QuantizedConv2DAndReluAndRequantize(**given, **WANTED))[0]
    np.testing.assert_array_equal(small, np.clip(np.rint(np.maximum(sums, 0) * step * 255 / 20), 0, 255))
    summand = np.random.RandomState(0).uniform(-9, 9, sums.shape).astype("f")
    found = values(raw.QuantizedConv2DWithBiasSumAndRelu(**given, bias=np.zeros(8, "f"), summand=summand))[0]
    np.testing.assert_allclose(found, np.maximum(sums + summand / step, 0), atol=1)
    for op, kind, most in (
        (raw.QuantizedConv2DWithBiasSumAndReluAndRequantize, "quint8", 255),
        (raw.QuantizedConv2DWithBiasSignedSumAndReluAndRequantize, "qint8", 127),
    ):
        steps = np.random.RandomState(1).randint(0, 120, sums.shape).astype(_PLAIN[kind])
        added = {"summand": quantized(steps, kind), "min_summand": -1.0, "max_summand": 4.0}
        found = values(op(**given, **WANTED, **added, bias=np.zeros(8, "f")))[0]
        wanted = np.maximum(sums * step + steps * 4.0 / most, 0) * 255 / 20
        np.testing.assert_allclose(found, np.clip(wanted, 0, 255), atol=1)


def test_ranges_of_channels():
    x = quantized(GOLDEN["i32"], "qint32")
    ends = {
        "input_min": -np.linspace(1, 3, 8).astype("f") * 1000,
        "input_max": np.linspace(1, 4, 8).astype("f") * 1000,
    }
    check("rrpc", raw.RequantizationRangePerChannel(input=x, **ends, clip_value_max=6.0))
    for kind, low in (("quint8", 0.0), ("qint8", -0.05)):
        found = raw.RequantizePerChannel(
            input=x, **ends, requested_output_min=low, requested_output_max=0.1, out_type=kind
        )
        check(f"rpc{kind}", found)


def test_refusals():
    x = drawn((2, 3), "quint8", 0)
    with pytest.raises(ValueError, match="inner dimensions"):
        raw.QuantizedMatMul(a=x, b=x, **of_pair((0.0, 1.0), (0.0, 1.0), "a b"))
    with pytest.raises(ValueError, match="min_a"):
        raw.QuantizedMatMul(a=x, b=x, transpose_b=True, min_a=[0.0], max_a=1.0, min_b=0.0, max_b=1.0)
    with pytest.raises(ValueError, match="as long as the last dimension"):
        raw.QuantizedBiasAdd(
            input=x,
            bias=drawn((2,), "quint8", 0),
            out_type=tf.qint32,
            **of_pair((0.0, 1.0), (0.0, 1.0), "input bias"),
        )
