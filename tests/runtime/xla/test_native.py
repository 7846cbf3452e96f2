"""The native kernels: what they compute, that threads do not matter, and that programs do without them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import millrace as tf

jnp = pytest.importorskip("jax").numpy

pytestmark = pytest.mark.xla


@pytest.fixture
def native() -> Iterator[Any]:
    """`jax_native`, with the kernels at hand."""
    from millrace.dialect.jax import native as jax_native
    from millrace.dialect.jax.control import Checks
    from millrace.runtime.xla import native as xla_native

    if not xla_native.ready():
        pytest.skip("no C compiler, or the default device is not a CPU")
    with Checks() as checks:
        checks.native = xla_native.ready
        yield jax_native


def normal(*shape: int) -> np.ndarray:
    return np.random.RandomState(sum(shape)).randn(*shape).astype("f")


def close(found: Any, wanted: np.ndarray) -> None:
    """Equal to float32's rounding of sums of products of about one."""
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("turn_b", [False, True])
@pytest.mark.parametrize("turn_a", [False, True])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [
        (96, 128, 64),  # whole tiles
        (97, 785, 77),  # none whole, two blocks deep
        (300, 1, 2000),  # no sum
        (1200, 700, 3),  # a narrow result
        (100, 130, 1100),  # more than one packed block wide
        (100, 20000, 17),  # a long sum, taken in parts
        (32, 600, 70),  # as few rows as a panel has columns
        (64, 9000, 33),  # the same of a long sum
        (28, 512, 300),  # the last tile a third as high
        (19, 700, 90),
    ],
)
def test_products(native: Any, rows: int, inner: int, columns: int, turn_a: bool, turn_b: bool) -> None:
    a, b = normal(rows, inner), normal(inner, columns)
    wanted = a.astype("d") @ b.astype("d")
    stored = a.T.copy() if turn_a else a, b.T.copy() if turn_b else b
    plain = native.matmul(*stored, turn_a, turn_b)
    if plain is None:
        assert turn_b and not turn_a and rows < 96
    else:
        close(plain, wanted)
    packed = native.matmul_packed(stored[0], native.pack(stored[1], turn_b), columns, turn_a, 0)
    close(packed, wanted)
    if plain is not None:
        np.testing.assert_array_equal(packed, plain)


def followed(product: np.ndarray, after: Any) -> np.ndarray:
    """What an `After` makes of a product."""
    if after.normal:
        mean, factor = after.normal
        product = (product - mean) * factor
    for added in (after.bias, after.addend):
        product = product if added is None else product + added
    product = np.maximum(product, 0) if after.floor else product
    return product if after.mask is None else product * (after.mask > 0)


def all_that_follows(native: Any, *shape: int) -> list[Any]:
    """One of each kind, and all together."""
    vector, other, whole = normal(shape[-1]), normal(shape[-1])[::-1].copy(), normal(*shape)
    kinds = [
        {"normal": (vector, other)},
        {"bias": vector},
        {"addend": whole},
        {"floor": True},
        {"mask": whole},
    ]
    return [native.After(**kind) for kind in kinds] + [
        native.After((other, vector), vector, whole, True, -whole)
    ]


@pytest.mark.parametrize("turn_b", [False, True])
@pytest.mark.parametrize("rows", [32, 50, 128])
def test_what_follows_a_product_of_few_rows(native: Any, rows: int, turn_b: bool) -> None:
    a, b = normal(rows, 600), normal(600, 70)
    stored = b.T.copy() if turn_b else b
    packed = native.pack(stored, turn_b)
    for after in all_that_follows(native, rows, 70):
        wanted = followed(a.astype("d") @ b.astype("d"), after)
        found = native.matmul(a, stored, False, turn_b, after)
        if found is None:
            assert turn_b and rows == 50
        else:
            close(found, wanted)
        close(native.matmul_packed(a, packed, 70, False, after.flags, *after.arrays), wanted)


def noting(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    """Adds the text of each program that is made from now on."""
    from millrace.runtime.xla import program as xla_program

    make = xla_program.compiled_for
    monkeypatch.setattr(xla_program, "compiled_for", lambda low: texts.append(low.as_text()) or make(low))


CONVOLUTIONS = [
    # input, kernel, filters, strides, pads, dilations
    ((8, 14, 14, 32), (5, 5), 64, (1, 1), ((2, 2), (2, 2)), (1, 1)),
    ((3, 17, 11, 20), (3, 2), 33, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((9, 17, 12, 20), (4, 3), 16, (2, 3), ((1, 2), (0, 1)), (1, 1)),
    ((5, 17, 12, 19), (3, 4), 18, (1, 1), ((2, 2), (3, 3)), (2, 2)),
    ((9, 17, 12, 20), (4, 4), 16, (3, 2), ((5, 4), (4, 5)), (1, 3)),
    ((9, 9, 7, 65), (1, 1), 24, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((40, 5, 3, 70), (3, 3), 16, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((4, 13, 16, 24), (5, 5), 32, (2, 2), ((2, 2), (1, 2)), (1, 1)),
    ((9, 13, 16, 24), (2, 2), 32, (3, 3), ((0, 0), (1, 0)), (1, 1)),
    ((9, 28, 14, 64), (1, 1), 32, (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((2, 5, 60, 40), (1, 9), 20, (1, 1), ((0, 0), (4, 4)), (1, 1)),
    ((16, 40, 40, 1), (9, 9), 16, (1, 1), ((4, 4), (4, 4)), (1, 1)),
    # images enough for tiles of one pixel: whole, with a rest, in pieces of the sum, of images that clash
    ((36, 9, 7, 24), (3, 3), 48, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((50, 9, 7, 5), (3, 4), 20, (1, 2), ((2, 1), (3, 0)), (1, 1)),
    ((27, 8, 9, 31), (5, 4), 33, (2, 1), ((3, 4), (5, 5)), (1, 1)),
    ((16, 10, 11, 40), (4, 3), 70, (1, 1), ((3, 3), (4, 4)), (2, 3)),
    ((50, 8, 8, 16), (3, 3), 40, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((64, 3, 2, 64), (7, 7), 32, (1, 1), ((3, 3), (3, 3)), (1, 1)),
]


def seen(tap: Any, outs: Any, strides: Any, dilations: Any) -> list[slice]:
    """The pixels that an element of the filter meets, one for each place of the result."""
    return [
        slice(t * d, t * d + (n - 1) * s + 1, s)
        for t, d, n, s in zip(tap, dilations, outs, strides, strict=True)
    ]


def reference(x: np.ndarray, w: np.ndarray, strides: Any, pads: Any, dilations: Any) -> np.ndarray:
    """The convolution in float64, a tap after the other."""
    x = np.pad(x.astype("d"), ((0, 0), *pads, (0, 0)))
    outs = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:3], w.shape, strides, dilations, strict=False)
    ]
    y = np.zeros((x.shape[0], *outs, w.shape[-1]))
    for i, j in np.ndindex(*w.shape[:2]):
        rows, columns = seen((i, j), outs, strides, dilations)
        y += x[:, rows, columns] @ w[i, j].astype("d")
    return y


def gradients(
    x: Any, w: Any, dy: Any, strides: Any, pads: Any, dilations: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of `reference`'s input and filter: it is linear in each, so one tap at a time."""
    padded = np.pad(np.zeros(x.shape), ((0, 0), *pads, (0, 0)))
    wide = np.pad(x.astype("d"), ((0, 0), *pads, (0, 0)))
    dw = np.zeros(w.shape)
    for i, j in np.ndindex(*w.shape[:2]):
        rows, columns = seen((i, j), dy.shape[1:3], strides, dilations)
        padded[:, rows, columns] += dy.astype("d") @ w[i, j].astype("d").T
        dw[i, j] = np.einsum("nyxi,nyxo->io", wide[:, rows, columns], dy.astype("d"), optimize=True)
    (top, bottom), (left, right) = pads
    return padded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right], dw


@pytest.mark.parametrize(("shape", "kernel", "filters", "strides", "pads", "dilations"), CONVOLUTIONS)
def test_convolutions(
    native: Any, shape: Any, kernel: Any, filters: int, strides: Any, pads: Any, dilations: Any
) -> None:
    x, w = normal(*shape), normal(*kernel, shape[-1], filters)
    wanted = reference(x, w, strides, pads, dilations)
    close(native.conv(x, w, strides, pads, dilations), wanted)
    dy = normal(*wanted.shape)
    dx, dw = gradients(x, w, dy, strides, pads, dilations)
    close(native.conv_filter_grad(x, w.shape, dy, strides, pads, dilations), dw)
    if shape[-1] >= 4 and not any(s > 1 and d > 1 for s, d in zip(strides, dilations, strict=True)):
        close(native.conv_input_grad(shape, w, dy, strides, pads, dilations), dx)
    else:
        assert native.conv_input_grad(shape, w, dy, strides, pads, dilations) is None


@pytest.mark.parametrize(
    ("shape", "kernel", "strides", "pads", "dilations"),
    [
        ((4, 16, 16, 32), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
        ((5, 15, 18, 21), (3, 5), (2, 1), ((0, 1), (2, 2)), (1, 1)),
        ((3, 20, 9, 40), (4, 2), (1, 3), ((3, 3), (0, 1)), (2, 1)),
        ((2, 24, 24, 8), (5, 5), (2, 2), ((4, 4), (4, 4)), (2, 2)),
        ((1, 2, 400, 64), (1, 7), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ],
)
def test_depthwise_convolutions(
    native: Any, shape: Any, kernel: Any, strides: Any, pads: Any, dilations: Any
) -> None:
    x, w = normal(*shape), normal(*kernel, shape[-1], 1)
    whole = np.zeros((*kernel, shape[-1], shape[-1]), "f")  # the same as a filter of all channels
    channels = np.arange(shape[-1])
    whole[..., channels, channels] = w[..., 0]
    wanted = reference(x, whole, strides, pads, dilations)
    places = wanted.shape[1:3], strides, [before for before, _ in pads], dilations
    close(native.depthwise(x, w, *places), wanted)
    dy = normal(*wanted.shape)
    dx, dw = gradients(x, whole, dy, strides, pads, dilations)
    close(native.depthwise_input_grad(shape, w, dy, *places), dx)
    close(native.depthwise_filter_grad(x, w.shape, dy, *places), dw[..., channels, channels][..., None])
    assert native.depthwise(x, normal(*kernel, shape[-1], 2), *places) is None


@pytest.mark.parametrize("turn_a", [False, True])
@pytest.mark.parametrize(("rows", "inner", "columns"), [(97, 785, 77), (100, 20000, 17), (120, 96, 64)])
def test_what_follows_a_product(native: Any, rows: int, inner: int, columns: int, turn_a: bool) -> None:
    a, b = normal(rows, inner), normal(inner, columns)
    stored = a.T.copy() if turn_a else a, b
    for after in all_that_follows(native, rows, columns):
        close(native.matmul(*stored, turn_a, False, after), followed(a.astype("d") @ b.astype("d"), after))
    assert native.matmul(*stored, turn_a, False, native.After(bias=normal(rows, columns))) is None
    assert native.matmul(*stored, turn_a, False, native.After(addend=normal(columns))) is None


@pytest.mark.parametrize("images", [4, 50])
def test_what_follows_a_convolution(native: Any, images: int) -> None:
    x, w = normal(images, 13, 16, 24), normal(3, 3, 24, 40)
    where = (2, 1), ((1, 1), (0, 2)), (1, 1)
    product = reference(x, w, *where)
    for after in all_that_follows(native, *product.shape):
        close(native.conv(x, w, *where, after), followed(product, after))
    assert native.conv(x, w, *where, native.After(bias=normal(24))) is None


def test_an_image_of_nan_stays_alone(native: Any) -> None:
    x, w = normal(24, 9, 9, 16), normal(3, 3, 16, 32)
    where = (1, 1), ((1, 1), (1, 1)), (1, 1)
    wanted = np.array(native.conv(x, w, *where))
    x[5, 0, 0] = np.nan
    wanted[5, :2, :2] = np.nan
    np.testing.assert_array_equal(native.conv(x, w, *where), wanted)


@pytest.mark.parametrize("images", [4, 24, 27])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_padding_times_what_is_not_finite_is_nan(native: Any, images: int, bad: float) -> None:
    x, w, where = normal(images, 9, 8, 16), normal(3, 3, 16, 32), ((1, 1), ((1, 1), (1, 1)), (1, 1))
    w[0, 0, 5, 7] = bad
    result = np.asarray(native.conv(x, w, *where))
    assert np.isnan(result[:, 0, :, 7]).all() and np.isnan(result[:, :, 0, 7]).all()
    assert not np.isfinite(result[..., 7]).any() and np.isfinite(result[..., :7]).all()
    dy = normal(images, 9, 8, 32)
    dy[1, 0, 0, 7] = bad
    dw = np.asarray(native.conv_filter_grad(x, w.shape, dy, *where))
    assert np.isnan(dw[0, :, :, 7]).all() and np.isnan(dw[:, 0, :, 7]).all()
    assert not np.isfinite(dw[..., 7]).any() and np.isfinite(dw[..., :7]).all()


def test_a_relu_of_nan_is_nan(native: Any) -> None:
    a = normal(100, 100)
    a[0, 0] = np.nan
    after = native.After(bias=normal(100), floor=True)
    found = np.asarray(native.matmul(a, normal(100, 100), False, False, after))
    assert np.isnan(found[0]).all() and np.isfinite(found[1:]).all()


@pytest.mark.parametrize("shape", [(128, 512), (3, 5, 7, 800), (2000, 33), (16, 1 << 12)])
def test_sums_of_columns(native: Any, shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    close(native.column_sums(x), x.astype("d").sum(tuple(range(len(shape) - 1))))


def test_dense_layers_are_one_call(native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the product's bias on either side of the sum, with and without a ReLU, and where more is taken."""
    rng = np.random.RandomState(5)
    x = tf.placeholder(tf.float32, [100, 128])
    w = [tf.Variable(rng.randn(128, 128).astype("f") * 0.1) for _ in range(5)]
    b = [tf.Variable(rng.randn(128).astype("f")) for _ in range(5)]
    h = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, w[0]), b[0]))
    h = tf.nn.relu(b[1] + tf.matmul(h, w[1]))
    linear = tf.matmul(h, w[2]) + b[2]
    taken = tf.matmul(linear, w[3])
    h = tf.nn.relu(taken + b[3])
    loss = tf.reduce_sum(tf.square(tf.matmul(h, w[4]) + tf.ones([100, 1]))) + tf.reduce_mean(taken)
    grads = tf.gradients(loss, [x, *w, *b[:4]])
    texts: list[str] = []
    found = []
    for tier in ("compile", "interpret"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            noting(monkeypatch, texts)
            sess.run(tf.global_variables_initializer())
            found.append(sess.run([loss, *grads], {x: normal(100, 128)}))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
    bias, relu, mask = (
        native.After(bias=b).flags,
        native.After(bias=b, floor=True).flags,
        native.After(mask=x).flags,
    )
    kinds = (0, bias), (0, relu), (1, mask)
    counts = [texts[-1].count(f"dense<[0, {turned}, {flags}]>") for turned, flags in kinds]
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_convolutional_layers_are_one_call(
    native: Any, monkeypatch: pytest.MonkeyPatch, data_format: str, training: bool
) -> None:
    """With a bias, a batch normalization by given moments, a shortcut, a ReLU; not where they are taken."""
    shape = [4, 12, 12, 16] if data_format == "NHWC" else [4, 16, 12, 12]
    x = tf.placeholder(tf.float32, shape)
    vectors = [tf.constant(np.abs(normal(16)) + k) for k in range(1, 5)]

    def conv(h: tf.Tensor, k: int) -> tf.Tensor:
        filters = tf.constant(normal(3, 3, 16, 16 + k)[..., :16] * 0.1)
        return tf.nn.conv2d(h, filters, [1, 1, 1, 1], "SAME", data_format=data_format)

    def normed(h: tf.Tensor) -> tf.Tensor:
        moments = {} if training else {"mean": vectors[2], "variance": vectors[3]}
        return tf.nn.fused_batch_norm(
            h, *vectors[:2], data_format=data_format, is_training=training, **moments
        )[0]

    first = tf.nn.relu(tf.nn.bias_add(conv(x, 0), vectors[0], data_format=data_format))
    second = tf.nn.relu(normed(conv(first, 1)))
    third = tf.nn.relu(first + normed(conv(second, 2)))
    taken = conv(third, 3)
    results = [tf.nn.relu(normed(taken)), taken + tf.nn.relu(conv(taken, 4))]
    texts: list[str] = []
    found = []
    for tier in ("compile", "interpret"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            noting(monkeypatch, texts)
            found.append(sess.run(results, {x: normal(*shape)}))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
    bias = native.After(bias=x, floor=True)
    normed_too = bias._replace(normal=(x, x))
    wanted = (
        [bias, native.After(floor=True)]
        if training
        else [bias, normed_too, normed_too._replace(addend=x), native.After(floor=True)]
    )
    flags = re.findall(r"@millrace_conv\(.*?dense<\[[^]]*, (\d+)\]>", texts[-1], re.DOTALL)
    assert [int(f) for f in flags if f != "0"] == [after.flags for after in wanted if data_format == "NHWC"]


def test_what_is_small_or_of_another_type_is_left_to_xla(native: Any) -> None:
    assert native.matmul(normal(8, 8), normal(8, 8), False, False) is None
    assert native.matmul(normal(200, 200).astype("d"), normal(200, 200).astype("d"), False, False) is None
    volume, filters = normal(2, 9, 9, 9, 16), normal(3, 3, 3, 16, 16)
    assert native.conv(volume, filters, (1,) * 3, ((0, 0),) * 3, (1,) * 3) is None


def test_a_padding_of_infinite_gradients(native: Any) -> None:
    x, dy = normal(4, 10, 10, 16), normal(4, 10, 10, 32)
    dy[0, 0, 0] = np.inf
    dw = np.asarray(native.conv_filter_grad(x, (3, 3, 16, 32), dy, (1, 1), ((1, 1), (1, 1)), (1, 1)))
    assert not np.isfinite(dw[1:, 1:]).any()  # taps that see the picture's corner pixel


@pytest.mark.parametrize("rows", [np.int8, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(500, 40), (20000,), (300, 8, 8)])
def test_rows_added_to_a_table(native: Any, shape: tuple[int, ...], rows: Any) -> None:
    table, places = normal(*shape), np.array([3, 99, 3, -1, 127, 0, 3], rows)
    updates = normal(7, *shape[1:])
    for sign in (1, -1):
        wanted = table.copy()
        for place, update in zip(places, updates, strict=True):
            if place >= 0:
                wanted[place] += np.float32(sign) * update
        np.testing.assert_array_equal(native.add_rows(jnp.asarray(table), places, updates, sign), wanted)
    beyond = native.add_rows(jnp.asarray(table), np.array([shape[0]] * 7), updates, 1)
    np.testing.assert_array_equal(beyond, table)


def test_rows_that_are_left_to_xla(native: Any) -> None:
    table, places = normal(500, 40), np.array([[1, 2]])
    assert native.add_rows(table, places, normal(1, 2, 40), 1) is None
    assert native.add_rows(table, places[:, :0].reshape(0), normal(0, 40), 1) is None
    assert native.add_rows(table.astype("d"), places[0], normal(2, 40), 1) is None


@pytest.mark.parametrize("tier", ["interpret", "compile"])
@pytest.mark.parametrize("minus", [False, True])
def test_variables_change_by_rows(monkeypatch: pytest.MonkeyPatch, tier: str, minus: bool) -> None:
    monkeypatch.setenv("MILLRACE_TIER", tier)
    start, update = normal(600, 40), normal(4, 40)
    v, rows = tf.Variable(start), tf.placeholder(tf.int32, [4])
    before = tf.gather(v, rows)
    with tf.control_dependencies([before]):
        change = (tf.scatter_sub if minus else tf.scatter_add)(v, rows, update)
    wanted = start.copy()
    with tf.Session() as sess:
        sess.run(v.initializer)
        for places in ([1, 5, 1, 599], [0, 0, 0, 0]):
            found = sess.run([before, change.op], {rows: places})[0]
            np.testing.assert_array_equal(found, wanted[places])
            (np.subtract if minus else np.add).at(wanted, places, update)
            np.testing.assert_allclose(sess.run(v), wanted, rtol=1e-6, atol=1e-6)
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(change.op, {rows: [0, 600, 1, 2]})
        np.testing.assert_allclose(sess.run(v), wanted, rtol=1e-6, atol=1e-6)


PROGRAM = """
import hashlib, os, sys
if sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np, millrace as tf
rng = np.random.RandomState(0)
x = tf.placeholder(tf.float32, [None, 20, 20, 3])
h = tf.layers.conv2d(x, 32, 5, activation=tf.nn.relu, kernel_initializer=tf.zeros_initializer())
h = h + tf.nn.conv2d(x, rng.randn(5, 5, 3, 32).astype("f") * 0.1, [1, 1, 1, 1], "VALID")
h = tf.nn.relu(tf.nn.conv2d(h, tf.Variable(rng.randn(3, 3, 32, 40).astype("f") * 0.1), [1, 1, 1, 1], "SAME"))
h = tf.nn.depthwise_conv2d(h, tf.Variable(rng.randn(3, 3, 40, 1).astype("f")), [1, 1, 1, 1], "SAME")
h = tf.matmul(tf.reshape(h, [-1, 16 * 16 * 40]), tf.Variable(rng.randn(16 * 16 * 40, 30).astype("f") * 0.01))
step = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean(tf.square(h - 1.0)))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(3):
        sess.run(step, {x: rng.randn(24, 20, 20, 3)})
    values = sess.run(tf.trainable_variables())
print(hashlib.sha256(b"".join(v.tobytes() for v in values)).hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_the_same_bits_on_one_core_and_on_all() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, cores],
            env={**os.environ, "MILLRACE_TIER": "compile"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for cores in ("one", "all")
    }
    assert len(found) == 1


def step_of_two_layers() -> tuple[Any, Any, Any]:
    """(step, loss, feeds) of a picture and a dense layer."""
    rng = np.random.RandomState(3)
    x = tf.placeholder(tf.float32, [None, 12, 12, 16])
    w = tf.Variable(rng.randn(3, 3, 16, 32).astype("f") * 0.1)
    h = tf.nn.relu(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"))
    h = tf.nn.relu(
        tf.nn.conv2d(h, tf.Variable(rng.randn(3, 3, 32, 32).astype("f") * 0.1), [1, 1, 1, 1], "SAME")
    )
    v = tf.Variable(rng.randn(12 * 12 * 32, 64).astype("f") * 0.01)
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.reshape(h, [-1, 12 * 12 * 32]), v) - 1.0))
    return tf.train.AdamOptimizer(0.01).minimize(loss), loss, {x: rng.randn(8, 12, 12, 16)}


def losses(monkeypatch: pytest.MonkeyPatch, with_kernels: bool) -> tuple[list[float], str]:
    """Four losses while training compiled, and the text of the program."""
    from millrace.runtime.xla import native as xla_native

    monkeypatch.setenv("MILLRACE_TIER", "compile")
    if not with_kernels:
        monkeypatch.setattr(xla_native, "ready", bool)
    texts: list[str] = []
    noting(monkeypatch, texts)
    with tf.Graph().as_default(), tf.Session() as sess:
        step, loss, feeds = step_of_two_layers()
        sess.run(tf.global_variables_initializer())
        found = [sess.run([loss, step], feeds)[0] for _ in range(4)]
    return found, texts[-1]


@pytest.mark.usefixtures("native")
def test_a_program_trains_alike_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, text = losses(monkeypatch, True)
    for kernel in ("matmul", "conv", "conv_input_grad", "conv_filter_grad", "adam"):
        assert f"@millrace_{kernel}(" in text
    plain, text = losses(monkeypatch, False)
    assert "millrace_" not in text
    np.testing.assert_allclose(fast, plain, rtol=1e-5)


@pytest.mark.usefixtures("native")
def test_what_is_exported_holds_none() -> None:
    x = tf.placeholder(tf.float32, [200, 300])
    y = tf.matmul(x, tf.Variable(normal(300, 400)))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        exported = tf.export([y], [x], session=sess)
    assert "millrace_" not in exported.stablehlo()


@pytest.mark.usefixtures("native")
def test_products_inside_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    texts: list[str] = []
    noting(monkeypatch, texts)
    w = tf.constant(normal(128, 128) * 0.05)
    x = tf.placeholder(tf.float32, [128, 128])
    _, y = tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w))), [0, x])
    (dx,) = tf.gradients(y, x)
    value = normal(128, 128)
    with tf.Session() as sess:
        compiled = sess.run([y, dx], {x: value})
    assert texts[-1].count("@millrace_matmul(") == 2  # of the loop and of its gradient
    assert texts[-1].count("@millrace_pack(") == 2  # of the matrix and of its transpose
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    with tf.Session() as sess:
        for found, wanted in zip(compiled, sess.run([y, dx], {x: value}), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("native")
def test_a_matrix_that_many_products_share(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    noting(monkeypatch, texts)
    w, once = tf.Variable(normal(128, 128) * 0.05), tf.Variable(normal(128, 128) * 0.05)
    x = tf.placeholder(tf.float32, [96, 128])
    y = tf.matmul(x, once)
    for _ in range(4):
        y = tf.tanh(tf.matmul(y, w) + 0.1)
    loss = tf.reduce_sum(y)
    step = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    found = {}
    for tier in ("compile", "interpret"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            found[tier] = [sess.run([loss, step], {x: normal(96, 128)})[0] for _ in range(3)]
    assert texts[-1].count("@millrace_pack(") == 2  # of w for the way there and for the way back
    np.testing.assert_allclose(found["compile"], found["interpret"], rtol=1e-5)


@pytest.mark.usefixtures("native")
def test_loops_whose_products_share_a_matrix_keep_their_bits() -> None:
    import jax

    from millrace.runtime.xla.native_products import with_native_products
    from millrace.runtime.xla.packing import with_packed_matrices

    def repeated(n: Any, x: Any, w: Any, rows: Any) -> Any:
        total, stack = jax.lax.scan(
            lambda x, row: (jnp.tanh(x @ w + row), x), x, rows, length=4, reverse=True, unroll=2
        )
        turned = (((1,), (1,)), ((), ()))
        _, last = jax.lax.while_loop(
            lambda state: state[0] < n,
            lambda state: (state[0] + 1, jnp.tanh(jax.lax.dot_general(state[1], w, turned))),
            (0, total),
        )
        once = jax.lax.scan(lambda x, _: (x @ w, None), x, None, length=2)[0]  # too short to be worth it
        return total, stack, last, once

    values = 5, normal(96, 128), normal(128, 128), normal(4, 96, 128)
    program = with_native_products(jax.make_jaxpr(repeated)(*values))
    packed = with_packed_matrices(program)
    assert str(packed).count("millrace_pack") == 2
    assert with_packed_matrices(jax.make_jaxpr(jnp.tanh)(values[1])).jaxpr.eqns[0].primitive.name == "tanh"
    plain, changed = (jax.extend.core.jaxpr_as_fun(p)(*values) for p in (program, packed))
    for wanted, found in zip(plain, changed, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("rows", "matrix", "contracted", "taken"),
    [
        ((96, 200), (200, 64), (1, 0), True),
        ((200, 96), (200, 64), (0, 0), True),
        ((96, 200), (64, 200), (1, 1), True),
        ((4, 5, 30, 64), (64, 96), (3, 0), True),  # a matrix of all rows
        ((30, 96, 64), (30, 96), (0, 0), False),
        ((64, 96), (96, 4, 64), (1, 0), False),
        ((4, 8), (8, 4), (1, 0), False),  # small
    ],
)
def test_products_of_programs_with_loops(rows: Any, matrix: Any, contracted: Any, taken: bool) -> None:
    import jax

    from millrace.runtime.xla.native_products import with_native_products

    def product(a: Any, b: Any) -> Any:
        return jax.lax.dot_general(a, b, (((contracted[0],), (contracted[1],)), ((), ())))

    def repeated(a: Any, b: Any) -> Any:
        return product(a, b), jax.lax.scan(
            lambda total, _: (total + product(a, b), total), 0.0 * product(a, b), length=3
        )

    a, b = normal(*rows), normal(*matrix)
    program = jax.make_jaxpr(repeated)(a, b)
    changed = with_native_products(program)
    assert ("millrace_matmul" in str(changed)) == taken
    as_functions = [jax.extend.core.jaxpr_as_fun(p) for p in (program, changed)]
    for wanted, found in zip(*(f(a, b) for f in as_functions), strict=True):
        close(found, np.asarray(wanted))


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false", "cc '"])
def test_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, compiler: str
) -> None:
    from millrace.runtime.xla import native as xla_native

    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("MILLRACE_CACHE", "0")
    with caplog.at_level(logging.INFO, "millrace"):
        assert not xla_native.ready.__wrapped__()
    assert "no native kernels" in caplog.text


def test_the_user_can_turn_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from millrace.runtime.xla import native as xla_native

    monkeypatch.setenv("MILLRACE_NATIVE", "0")
    assert not xla_native.ready.__wrapped__()


@pytest.mark.usefixtures("native")
def test_the_library_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from millrace.runtime.xla import native as xla_native

    monkeypatch.setenv("MILLRACE_CACHE", str(tmp_path))
    xla_native._library()
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns, kept.stat().st_ino
    monkeypatch.setenv("PATH", "")  # no compiler from now on
    xla_native._library()
    assert kept.stat().st_ino == made[1]
