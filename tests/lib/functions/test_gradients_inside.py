"""Gradients taken inside of functions, with respect to what these use from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf

DEFUN = tf.contrib.eager.defun


@pytest.fixture(params=[True, False], ids=["resource", "reference"])
def v(request: pytest.FixtureRequest) -> Any:
    return tf.get_variable("v", initializer=[1.0, 2.0], use_resource=request.param)


def _values(*fetches: Any) -> Any:
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first = tf.nest.map_structure(lambda t: t.tolist(), sess.run(fetches))
        for _ in range(3):  # the last are compiled
            again = tf.nest.map_structure(lambda t: t.tolist(), sess.run(fetches))
        assert again == first
        return first


def _squares(v: Any) -> Any:
    return tf.reduce_sum(v * v * tf.constant([2.0, 3.0]))


@pytest.mark.parametrize("around", [tf.function, DEFUN, lambda f: tf.function(lambda: tf.function(f)())])
def test_of_variables(v: Any, around: Callable[..., Any]) -> None:
    w = tf.get_variable("w", [2], use_resource=True)

    def by_tape() -> Any:
        with tf.GradientTape() as tape:
            y = _squares(v)
        return tape.gradient(y, [v, w])

    def by_gradients() -> Any:
        return tf.gradients(_squares(v), [v])

    def twice() -> Any:
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                y = _squares(v)
            slope = inner.gradient(y, v)
        return tape.gradient(slope, v)

    taped = around(by_tape)()
    assert taped[1] is None
    assert _values(taped[0], around(by_gradients)()[0], around(twice)()) == (
        [4.0, 12.0],
        [4.0, 12.0],
        [4.0, 6.0],
    )


def test_through_branches_loops_calls_and_rows(v: Any) -> None:
    one = tf.constant(1.0)

    def branch() -> Any:
        return tf.cond(tf.reduce_sum(one) > 0, lambda: _squares(v), lambda: 0.0)

    def loop() -> Any:
        return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + _squares(v)), [0, 0.0])[1]

    inner = tf.function(lambda: _squares(v))

    def slopes(of: Callable[[], Any]) -> Any:
        def taken() -> Any:
            with tf.GradientTape() as tape:
                y = of()
            return tf.convert_to_tensor(tape.gradient(y, v))

        return tf.function(taken)()

    rows = slopes(lambda: tf.reduce_sum(tf.nn.embedding_lookup(v, [0, 0])))
    assert _values(slopes(branch), slopes(loop), slopes(inner), rows) == (
        [4.0, 12.0],
        [12.0, 36.0],
        [4.0, 12.0],
        [2.0, 0.0],
    )


@pytest.mark.parametrize("around", [tf.function, lambda f: f])
def test_what_is_computed_while_a_tape_is_stopped(v: Any, around: Callable[..., Any]) -> None:
    def taped() -> Any:
        with tf.GradientTape() as tape:
            y = _squares(v)
            with tape.stop_recording():
                z = tf.reduce_sum(v * v * v)
            y = y + z * z
        return tape.gradient(y, v)

    assert _values(around(taped)()) == ([4.0, 12.0],)


def test_of_tensors_from_outside_and_what_they_were_made_of() -> None:
    x = tf.constant([1.0, 2.0])
    y = x * x

    @tf.function
    def inside() -> Any:
        z = tf.reduce_sum(y * y)
        return tf.gradients(z, [x, y]) + tf.gradients(z, x, stop_gradients=[y], unconnected_gradients="zero")

    assert _values(*inside()) == ([4.0, 32.0], [2.0, 8.0], [0.0, 0.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.train.GradientDescentOptimizer(0.1),
        lambda: tf.train.AdamOptimizer(0.1),
        lambda: tf.contrib.opt.NadamOptimizer(0.1),
        lambda: tf.contrib.opt.AdaMaxOptimizer(0.1),
        lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.9),
        lambda: tf.keras.optimizers.Adam(0.1),
    ],
)
def test_training_steps_inside(make: Callable[[], Any]) -> None:
    def trained(around: Callable[..., Any]) -> Any:
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
            optimizer = make()

            def step() -> None:
                with tf.GradientTape() as tape:
                    y = _squares(v)
                return optimizer.apply_gradients(zip(tape.gradient(y, [v]), [v], strict=True))

            def stepped() -> None:
                step()

            train = tf.function(stepped)() if around is tf.function else step()
            assert len(optimizer.variables()) == len(set(optimizer.variables()))
            sess.run(tf.global_variables_initializer())
            sess.run([one.initializer for one in optimizer.variables()])
            for _ in range(5):
                sess.run(train)
            return sess.run(v).tolist()

    assert trained(tf.function) == pytest.approx(trained(lambda f: f), rel=1e-6)


def test_shapes_of_rows_of_captured_variables() -> None:
    v = tf.get_variable("v", [10, 3], use_resource=True)
    seen = []

    def look(_: Any) -> Any:
        rows = tf.constant([[1, 2]])
        found = v.sparse_read(rows), tf.gather(v, rows), tf.nn.embedding_lookup(v, rows), v.gather_nd(rows)
        seen.append([t.shape.as_list() for t in found])
        return 1

    tf.data.Dataset.range(3).map(look)
    tf.function(look)(1)
    tf.function(lambda x: tf.function(look)(x))(1)
    assert seen == [[[1, 2, 3]] * 3 + [[1]]] * 3


ROWS = [[0.5, 1.0, 2.0], [1.5, -1.0, 0.25], [3.0, 2.0, 1.0], [0.1, 0.2, 0.3]]


def _arrays(x: Any) -> Any:
    taken = tf.TensorArray(tf.float32, 4).unstack(x)
    made = tf.TensorArray(tf.float32, 4)
    _, made = tf.while_loop(
        lambda i, a: i < 4, lambda i, a: (i + 1, a.write(i, taken.read(i) ** 2)), [0, made]
    )
    return made.stack()


OVER_ROWS = {
    "arrays": lambda: _arrays,
    "concatenated": lambda: lambda x: tf.TensorArray(tf.float32, 2).split(x, [3, 1]).concat(),
    "gathered": lambda: lambda x: tf.TensorArray(tf.float32, 4).unstack(x).gather([1, 3, 1]),
    "scan": lambda: lambda x: tf.scan(lambda a, e: a * e, x),
    "map_fn": lambda: lambda x: tf.map_fn(lambda e: tf.cond(e[0] > 1.0, lambda: e**2, lambda: e), x),
    "nested": lambda: lambda x: tf.map_fn(lambda e: tf.reduce_sum(tf.scan(lambda a, f: a * f, e)), x),
    "LSTM": lambda: _built(tf.keras.layers.LSTM(3, return_sequences=True)),
}


def _built(layer: Any) -> Callable[[Any], Any]:
    layer.build((1, 4, 3))
    return lambda x: layer(x[None])


@pytest.mark.parametrize("kind", OVER_ROWS)
def test_through_arrays_of_tensors(kind: str) -> None:
    x = tf.constant(ROWS)
    tf.set_random_seed(1)
    of = OVER_ROWS[kind]()

    def slope(x: Any) -> Any:
        return tf.gradients(tf.reduce_sum(of(x)), x)[0]

    def twice(x: Any) -> Any:
        return tf.gradients(tf.reduce_sum(slope(x) ** 2), x)[0]

    found = [
        slope(x),
        tf.function(slope)(x),
        DEFUN(slope)(x),
        tf.function(lambda x: tf.function(slope)(x))(x),
    ]
    if kind in ("arrays", "scan", "map_fn"):
        found += [twice(x), tf.function(twice)(x)]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(4):
            plain, *inside = sess.run(found)
            for other in inside[:3]:
                np.testing.assert_allclose(other, plain, rtol=1e-6)
            if len(inside) > 3:
                np.testing.assert_allclose(inside[4], inside[3], rtol=1e-6)
