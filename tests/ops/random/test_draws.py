"""Random operations: values, seeds and graphs as TensorFlow 1.15 has them on CPU."""

import json
import pathlib

import numpy as np
import pytest

import millrace as tf
from ops.random import random_programs as programs

HERE = pathlib.Path(__file__).parent
GOLDEN = np.load(HERE / "random_golden.npz")
GRAPHS = json.loads((HERE / "random_graphs.json").read_text())


def fetched(program):
    found = program(tf)
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", [*programs.EXACT, *programs.CLOSE])
def test_values(name):
    exact = name in programs.EXACT
    with tf.Graph().as_default():
        tensors = fetched((programs.EXACT if exact else programs.CLOSE)[name])
        with tf.Session() as sess:
            for run in range(2):
                for i, (tensor, got) in enumerate(zip(tensors, sess.run(tensors), strict=True)):
                    want = GOLDEN[f"{name}/{run}/{i}"]
                    assert got.dtype == want.dtype
                    assert tensor.shape.is_compatible_with(got.shape)
                    if exact:
                        np.testing.assert_array_equal(got, want)
                    else:
                        np.testing.assert_allclose(
                            got, want, rtol=1e-12 if want.dtype == np.float64 else 1e-6, atol=1e-7
                        )


@pytest.mark.parametrize("name", programs.GRAPHS)
def test_graph(name):
    with tf.Graph().as_default() as graph:
        programs.GRAPHS[name](tf)
    got = []
    for op in graph.get_operations():
        row = [op.name, op.type, [t.name for t in op.inputs]]
        if "seed2" in op.node_def.attr:
            row.append([op.get_attr("seed"), op.get_attr("seed2")])
        got.append(row)
    assert got == GRAPHS[name]


@pytest.mark.parametrize(
    ("graph_seed", "op_seed", "want"),
    [
        (None, None, (None, None)),
        (None, 0, (87654321, 0)),
        (None, -5, (87654321, 2147483642)),
        (None, 2**40, (87654321, 512)),
        (0, None, (0, 2147483647)),
        (0, 0, (0, 2147483647)),
        (0, 5, (0, 5)),
        (7, None, (7, 1)),
        (7, 2**31 - 1, (7, 0)),
        (2**40, 0, (512, 0)),
    ],
)
def test_seed_derivation(graph_seed, op_seed, want):
    with tf.Graph().as_default():
        tf.set_random_seed(graph_seed)
        if graph_seed == 7:
            tf.constant(1.0)
        assert tf.random.get_seed(op_seed) == want


def test_without_seeds_sessions_differ_and_runs_differ():
    with tf.Graph().as_default():
        x = tf.random_uniform([8])
        with tf.Session() as sess:
            first, second = sess.run(x), sess.run(x)
        with tf.Session() as sess:
            third = sess.run(x)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_a_new_session_starts_again():
    with tf.Graph().as_default():
        x = tf.random_normal([4], seed=3)
        with tf.Session() as sess:
            first = sess.run(x)
            sess.run(x)
        with tf.Session() as sess:
            np.testing.assert_array_equal(sess.run(x), first)


def test_shapes_known_only_when_run():
    with tf.Graph().as_default(), tf.Session() as sess:
        shape = tf.placeholder(tf.int32, [2])
        uniform, wide = tf.random_uniform(shape, seed=1), tf.random_uniform([2, 3], seed=1)
        assert uniform.shape.as_list() == [None, None]
        got, want = sess.run([uniform, wide], {shape: [2, 3]})
        np.testing.assert_array_equal(got, want)
        samples = tf.multinomial([[0.0, 1.0]], tf.placeholder_with_default(3, []), seed=1)
        assert samples.shape.as_list() == [1, None]
        assert sess.run(samples).shape == (1, 3)


def test_gamma_gradient():
    alpha_value, beta_value = np.array([0.5, 2.0, 40.0]), np.array([2.0, 1.0, 0.5])

    def samples(alpha, beta):
        return tf.random_gamma([50], alpha, beta, tf.float64, seed=4)

    with tf.Graph().as_default(), tf.Session() as sess:
        alpha, beta = tf.constant(alpha_value), tf.constant(beta_value)
        x = samples(alpha, beta)
        by_alpha, by_beta = tf.gradients(x, [alpha, beta])
        value, got_alpha, got_beta = sess.run([x, by_alpha, by_beta])
    np.testing.assert_allclose(got_beta, -value.sum(axis=0) / beta_value, rtol=1e-12)
    # The quantile stays when alpha moves: invert the distribution function by Newton's method.
    step = 1e-5 * alpha_value
    moved = [
        _move_along_quantile(alpha_value, alpha_value + sign * step, value * beta_value) for sign in (-1, 1)
    ]
    want = ((moved[1] - moved[0]) / (2 * step) / beta_value).sum(axis=0)
    np.testing.assert_allclose(got_alpha, want, rtol=1e-6)


def _move_along_quantile(alpha, target, x):
    wanted = _cdf(alpha, x)
    for _ in range(4):
        density = np.exp((target - 1) * np.log(x) - x - _lgamma(target))
        x = x - (_cdf(target, x) - wanted) / density
    return x


def _lgamma(x):
    import math

    return np.vectorize(math.lgamma)(x)


def _cdf(alpha, x):
    term = np.exp(alpha * np.log(x) - x - _lgamma(alpha + 1))
    total = term.copy()
    for n in range(1, 600):
        term = term * x / (alpha + n)
        total += term
    return total


@pytest.mark.parametrize(
    ("error", "program"),
    [
        (ValueError, lambda: tf.random_uniform([3], dtype=tf.int32)),
        (ValueError, lambda: tf.random_uniform([3], dtype=tf.uint8)),
        (ValueError, lambda: tf.random_uniform([-2])),
        (ValueError, lambda: tf.multinomial([1.0, 2.0], 4)),
        (ValueError, lambda: tf.multinomial([[1.0, 2.0]], -4)),
        (ValueError, lambda: tf.random.stateless_uniform([3], [1, 2, 3])),
        (ValueError, lambda: tf.random.stateless_uniform([3], [1, 2], dtype=tf.int32)),
        (TypeError, lambda: tf.random_uniform([3], seed="a")),
        (TypeError, lambda: tf.random_normal([3], dtype=tf.int32)),
    ],
)
def test_refused_while_building(error, program):
    with tf.Graph().as_default(), pytest.raises(error):
        program()


@pytest.mark.parametrize(
    ("message", "program"),
    [
        ("minval < maxval", lambda: tf.random_uniform([3], 5, 5, dtype=tf.int32)),
        ("'shape'", lambda: tf.random_uniform(tf.placeholder_with_default([-2], [1]))),
        ("num_classes", lambda: tf.multinomial(tf.zeros([2, 0]), 3)),
        ("Need value.shape >= size", lambda: tf.random_crop(tf.zeros([1, 5]), [2, 2])),
    ],
)
def test_refused_while_running(message, program):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = program()
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            sess.run(x)


@pytest.mark.xla
@pytest.mark.parametrize("name", [*programs.EXACT, *programs.CLOSE])
def test_compiled_values(name):
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    # XLA joins the product and the sum that move a uniform number into its range, and so rounds once less.
    exact = name in programs.EXACT and name != "uniform_range"
    with tf.Graph().as_default():
        tensors = fetched((programs.EXACT | programs.CLOSE)[name])
        with tf.Session(config=config) as sess:
            for run in range(2):
                for i, got in enumerate(sess.run(tensors)):
                    want = GOLDEN[f"{name}/{run}/{i}"]
                    rtol, atol = (1e-12, 1e-12) if want.dtype == np.float64 else (3e-6, 1e-6)
                    if exact:
                        rtol = atol = 0
                    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def test_no_integers_are_drawn_of_an_empty_range():
    dims, end = tf.placeholder(tf.int32), tf.placeholder(tf.int32, [])
    drawn = [
        tf.random_uniform(dims, 0, end, tf.int32),
        tf.random.stateless_uniform(dims, [1, 2], 0, end, tf.int32),
    ]
    with tf.Session() as sess:
        assert [v.shape for v in sess.run(drawn, {dims: [0], end: 0})] == [(0,), (0,)]
        for one in drawn:
            with pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval"):
                sess.run(one, {dims: [1], end: 0})
