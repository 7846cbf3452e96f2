"""Loops of compiled programs: what leaves their bodies, and that the results stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf

pytestmark = pytest.mark.xla

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax

RNG = np.random.RandomState(0)
N, B, W = 6, 3, 4  # iterations, rows, width


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products are treated as large ones are."""
    from millrace.runtime.xla import products as xla_products

    monkeypatch.setattr(xla_products, "_LEAST_MATRIX", 0)


def array(*shape: int) -> np.ndarray:
    return RNG.randn(*shape).astype("f")


def rewritten(function: Callable[..., Any], *args: Any) -> Any:
    """The program of `function` with its loops rewritten, after a comparison of the results of both."""
    from millrace.runtime.xla.loops import with_fast_loops

    plain = jax.make_jaxpr(function)(*args)
    fast = with_fast_loops(plain)
    assert [(v.aval.shape, v.aval.dtype) for v in fast.jaxpr.outvars] == [
        (v.aval.shape, v.aval.dtype) for v in plain.jaxpr.outvars
    ]
    leaves = jax.tree.leaves(args)
    expected = jax.jit(jax.extend.core.jaxpr_as_fun(plain))(*leaves)
    got = jax.jit(jax.extend.core.jaxpr_as_fun(fast))(*leaves)
    for e, g in zip(expected, got, strict=True):
        np.testing.assert_allclose(g, e, rtol=2e-5, atol=2e-5)
    return fast


def scans(program: Any) -> list[Any]:
    return [eqn for eqn in program.jaxpr.eqns if eqn.primitive.name == "scan"]


def inside(program: Any) -> list[str]:
    """The primitives in the bodies of the loops."""
    return [e.primitive.name for scan in scans(program) for e in scan.params["jaxpr"].jaxpr.eqns]


def products(program: Any) -> list[tuple[tuple[int, ...], ...]]:
    """The shapes of the operands of the products in the bodies of the loops."""
    return [
        tuple(v.aval.shape for v in e.invars)
        for scan in scans(program)
        for e in scan.params["jaxpr"].jaxpr.eqns
        if e.primitive.name == "dot_general"
    ]


def carried(program: Any) -> list[int]:
    from millrace.runtime.xla.loops import with_counts

    return [with_counts(scan.params)["num_carry"] for scan in scans(program)]


def test_a_product_of_what_is_scanned_is_one_product():
    def f(x, w, h):
        return lax.scan(lambda h, x: (jnp.tanh(h + jax.nn.relu(x) @ w), h), h, x)

    program = rewritten(f, array(N, B, W), array(W, W), array(B, W))
    assert products(program) == []
    (outside,) = [e for e in program.jaxpr.eqns if e.primitive.name == "dot_general"]
    assert outside.outvars[0].aval.shape == (N, B, W)


def test_a_product_too_large_for_all_iterations_stays(monkeypatch):
    from millrace.runtime.xla import loops as xla_loops

    monkeypatch.setattr(xla_loops, "_LARGEST", 8)

    def f(x, w, h):
        return lax.scan(lambda h, x: (jnp.tanh(h + x @ w), h), h, x)

    assert products(rewritten(f, array(N, B, W), array(W, W), array(B, W))) == [((B, W), (W, W))]


def test_what_fits_the_caches_is_not_divided(monkeypatch):
    from millrace.runtime.xla import products as xla_products

    def f(x, w, h):
        return lax.scan(lambda h, x: (jnp.tanh(jnp.concatenate([x, h], 1) @ w), h), h, x)

    args = array(N, B, W), array(2 * W, W), array(B, W)
    assert products(rewritten(f, *args)) == [((B, W), (W, W))]
    for name, value in ("_LEAST_MATRIX", 4 * 2 * W * W + 1), ("_MOST_ROWS", 4 * N * B * W - 1):
        with monkeypatch.context() as patch:
            patch.setattr(xla_products, name, value)
            assert products(rewritten(f, *args)) == [((B, 2 * W), (2 * W, W))]


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_product_of_a_concatenation(reverse, flipped):
    def f(x, w, h):
        def body(h, x):
            if flipped:
                return jnp.tanh(w.T @ jnp.concatenate([x.T, h.T, x.T], 0)).T, h
            return jnp.tanh(jnp.concatenate([x, h, x], 1) @ w), h

        return lax.scan(body, h, x, reverse=reverse)

    program = rewritten(f, array(N, B, 5), array(10 + W, W), array(B, W))
    assert "concatenate" not in inside(program)
    assert products(program) == [((W, W), (W, B)) if flipped else ((B, W), (W, W))]


def test_a_product_of_which_only_a_part_is_used():
    def f(x, w, h):
        def body(h, x):
            z = (h + x) @ w.T
            return z[:, 2 : 2 + W] + z[:, 3 : 3 + W], z[:, 4:5]

        return lax.scan(body, h, x)

    program = rewritten(f, array(N, B, W), array(12, W), array(B, W))
    assert products(program) == [((B, W), (W, W + 1))]
    assert "transpose" not in inside(program)


def test_a_product_that_is_used_whole_stays_whole():
    def f(x, w, h):
        def body(h, x):
            i, j = jnp.split((h + x) @ w, 2, 1)
            return jnp.tanh(i) * j, None

        return lax.scan(body, h, x)

    assert products(rewritten(f, array(N, B, W), array(W, 2 * W), array(B, W))) == [((B, W), (W, 2 * W))]


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_at_a_counter_are_scanned_and_stacked(reverse):
    def f(x, h):
        def body(state, _):
            t, h, out, total = state
            h = jnp.tanh(h + lax.dynamic_index_in_dim(x, t, 0, keepdims=False))
            out = lax.dynamic_update_index_in_dim(out, h, t, 0)
            return (t + 1, h, out, total.at[t].add(h)), t

        start = (jnp.int32(0), h, jnp.zeros((N, B, W)), jnp.ones((N, B, W)))
        return lax.scan(body, start, None, length=N, reverse=reverse)

    program = rewritten(f, array(N, B, W), array(B, W))
    if reverse:  # the counter goes up while the rows go down: left as it is
        assert carried(program) == [3]
    else:
        assert carried(program) == [1]
        assert not {"dynamic_slice", "dynamic_update_slice", "scatter-add", "lt"} & set(inside(program))


def test_some_rows_of_a_longer_array():
    def f(x, out):
        def body(state, _):
            t, h, out = state
            h = h + lax.dynamic_index_in_dim(x, t, 0, keepdims=False)
            return (t + 1, h, lax.dynamic_update_index_in_dim(out, h, t, 0)), None

        return lax.scan(body, (jnp.int32(2), x[0], out), None, length=N)

    program = rewritten(f, array(N + 4, B), array(N + 3, B))
    assert carried(program) == [1]


def test_rows_beyond_the_end_are_clamped_as_before():
    def f(x, out):
        def body(state, _):
            t, h, out = state
            h = h + lax.dynamic_index_in_dim(x, t, 0, keepdims=False)
            return (t + 1, h, lax.dynamic_update_index_in_dim(out, h, t, 0)), None

        return lax.scan(body, (jnp.int32(2), x[0], out), None, length=N)

    rewritten(f, array(N, B), array(N, B))


def test_steps_of_two_and_downwards():
    def f(x):
        def body(state, _):
            t, u, h = state
            h = h * 0.5 + x[t] - x[u]
            return (t + 2, u + -1, h), (t * 2 + u, t < u, h)

        return lax.scan(body, (jnp.int32(0), jnp.int32(2 * N), x[0]), None, length=N)

    assert carried(rewritten(f, array(2 * N + 1, B))) == [1]


def test_an_array_that_is_read_and_written_stays():
    def f(x):
        def body(state, _):
            t, out = state
            row = lax.dynamic_index_in_dim(out, t - 1, 0, keepdims=False)
            return (t + 1, lax.dynamic_update_index_in_dim(out, row * 2 + 1, t, 0)), None

        return lax.scan(body, (jnp.int32(1), x), None, length=N - 1)

    assert carried(rewritten(f, array(N, B))) == [1]


def test_what_is_stacked_anyway_is_summed_afterwards():
    def f(x, h, total):
        def body(state, x):
            h, total = state
            h = jnp.tanh(h + x)
            return (h, total + jnp.sum(h, 0)), h

        return lax.scan(body, (h, total), x)

    program = rewritten(f, array(N, B, W), array(B, W), array(W))
    assert "reduce_sum" not in inside(program)
    assert carried(program) == [1]


def test_what_is_known_outside_is_not_stacked():
    def f(x, w, h):
        def body(state, x):
            h, w = state
            both = jnp.concatenate([x, h], 1)
            return (jnp.tanh(h + x), w), (both, jnp.sin(x), w, 1.0, x, h)

        return lax.scan(body, (h, w), x)

    program = rewritten(f, array(N, B, W), array(W), array(B, W))
    assert carried(program) == [1]
    assert len(scans(program)[0].outvars) == 2  # the last state, and the stack of all


def test_the_counter_of_one_loop_is_known_in_the_next():
    def f(x, h):
        def forward(state, _):
            t, h = state
            h = jnp.sin(h) + lax.dynamic_index_in_dim(x, t, 0, keepdims=False)
            return (t + 1, h), (t, h)

        (_, h), (at, rows) = lax.scan(forward, (jnp.int32(0), h), None, length=N)

        def backward(state, elements):
            dh, dx = state
            t, h = elements
            dh = dh * jnp.cos(h)
            return (dh, dx.at[t].add(dh)), None

        return lax.scan(backward, (h, jnp.zeros_like(x)), (at, rows), reverse=True)[0]

    program = rewritten(f, array(N, B), array(B))
    assert carried(program) == [1, 1]
    assert "scatter-add" not in inside(program)


@pytest.mark.parametrize("limit", [0, 1, N])
def test_a_while_that_counts_is_a_loop_of_known_length(limit):
    def f(x, w, h):
        def body(state):
            t, h, out = state
            h = jnp.tanh(h + lax.dynamic_index_in_dim(x, t, 0, keepdims=False) @ w)
            return t + 1, h, lax.dynamic_update_index_in_dim(out, h, t, 0)

        start = (jnp.int32(0), h, jnp.zeros((N, B, W)))
        return lax.while_loop(lambda s: (s[0] < limit) & (s[0] < 100), body, start)

    program = rewritten(f, array(N, B, W), array(W, W), array(B, W))
    assert [e.primitive.name for e in program.jaxpr.eqns if e.primitive.name in ("scan", "while")] == [
        "scan" if limit else "while"
    ]
    assert products(program) == []


def test_a_while_that_depends_on_data_stays():
    def f(x, limit):
        def body(state):
            return state[0] + 1, state[1] * 0.5

        first = lax.while_loop(lambda s: jnp.sum(s[1]) > 1, body, (jnp.int32(0), x))
        second = lax.while_loop(lambda s: s[0] < limit, body, (jnp.int32(0), x))
        return first, second

    assert not scans(rewritten(f, 1 + array(3) ** 2, np.int32(3)))


def test_a_counter_added_to_a_row_of_numbers():
    def f(x):
        def body(state, _):
            t, out = state
            return (t + 1, out.at[t].add(1.0)), x[t]

        return lax.scan(body, (jnp.int32(0), x), None, length=N)

    rewritten(f, array(N))


def test_what_nobody_takes_is_not_computed():
    def f(x, w, h):
        def body(state, x):
            h, other = state
            return (jnp.tanh(h + x), other @ w + h), (h @ w, h)

        (h, _), (_, stack) = lax.scan(body, (h, h), x)
        return h, stack

    program = rewritten(f, array(N, B, W), array(W, W), array(B, W))
    assert products(program) == []
    assert carried(program) == [1]


def test_work_on_what_stays_the_same_is_done_once():
    def f(x, w, h):
        def body(h, x):
            return jnp.tanh(h @ (w @ w).T + x * jnp.ones((B, W))), jnp.sum(jnp.exp(w))

        return lax.scan(body, h, x)

    program = rewritten(f, array(N, B, W), array(W, W), array(B, W))
    assert len(products(program)) == 1
    assert "broadcast_in_dim" in inside(program)  # larger than what it is made of: cheaper made again
    assert "exp" not in inside(program)


def test_other_loops_stay_as_they_are():
    def inner(h, x):
        return lax.scan(lambda c, r: (c * 0.5 + r, c), h, jnp.stack([x, x]))[0]

    def nested(x, h):
        return lax.scan(lambda h, x: (inner(h, x) + inner(x, x), x), h, x)

    def empty(x, h):
        return lax.scan(lambda h, x: (h + x, h), h, x[:0])

    def printing(x, h):
        def body(h, x):
            jax.debug.callback(lambda _: None, h)
            return h + x, h

        return lax.scan(body, h, x)

    def chosen(x, h):
        def body(h, x):
            return lax.cond(x.sum() > 0, lambda: h + x, lambda: h @ jnp.eye(W, dtype=h.dtype)), lax.cond(
                x.sum() > 0, lambda: x, lambda: -x
            )

        return lax.scan(body, h, x, unroll=2)

    for function in (nested, empty, printing, chosen):
        rewritten(function, array(N, B, W), array(B, W))
    program = jax.make_jaxpr(lambda x: x + 1)(1.0)
    from millrace.runtime.xla.loops import with_fast_loops

    assert with_fast_loops(program) is program


@pytest.mark.parametrize("seed", range(30))
def test_any_body(seed):
    """Bodies drawn at random keep their results."""
    rng = np.random.RandomState(seed)

    def f(x: Any, y: Any, w: Any, h: Any, c: Any, out: Any) -> Any:
        def body(state, elements):
            t, *values, out = state
            pool = [*values, *elements, w, lax.dynamic_index_in_dim(x, t, 0, keepdims=False)]
            pool.append(jnp.float32(t) * jnp.ones((W, W), "f"))
            for _ in range(12):
                a, b = (pool[i] for i in rng.randint(0, len(pool), 2))
                k = rng.randint(9)
                if k < 2:
                    pool.append(0.3 * (a @ b))
                elif k == 2:
                    pool.append(0.3 * (jnp.concatenate([a, b], 1) @ jnp.concatenate([w, pool[2]], 0)))
                elif k == 3:
                    pool.append(0.3 * (jnp.concatenate([a, b], 1) @ jnp.concatenate([w, w], 0)))
                elif k == 4:
                    z = a @ jnp.concatenate([w, b], 1)
                    pool.append(0.3 * z[:, 1 : 1 + W])
                elif k == 5:
                    pool.append(jnp.tanh(a) + b)
                elif k == 6:
                    pool.append(a.T * 0.5 - b)
                elif k == 7:
                    pool.append(jnp.where(t % 2 == 0, a, b))
                else:
                    pool.append(jnp.sum(a, 0) * 0.1 + jnp.zeros((W, W), "f"))
            picked = [pool[i] for i in rng.randint(0, len(pool), 6)]
            out = lax.dynamic_update_index_in_dim(out, picked[5], t, 0)
            return (t + 1, picked[0], values[1] + jnp.sum(picked[1]), out), [*picked[1:5], t]

        state = (jnp.int32(0), h, c, out)
        final, stacks = lax.scan(body, state, [y], length=N, reverse=bool(seed % 2))
        return final, [stacks[i] for i in rng.randint(0, 5, 3)]

    # the same body each time it is traced
    def seeded(x: Any, y: Any, w: Any, h: Any, c: Any, out: Any) -> Any:
        rng.seed(seed)
        return f(x, y, w, h, c, out)

    args = [0.3 * array(N, W, W), 0.3 * array(N, W, W), 0.3 * array(W, W), array(W, W), array(W, W)]
    args.append(array(N, W, W))
    rewritten(seeded, *args)


# --- programs of TensorFlow 1 -------------------------------------------------------------------------------


def cell(x: Any, c: Any, h: Any, w: Any, b: Any) -> tuple[Any, Any]:
    i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), w) + b, 4, 1)
    c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
    return c, tf.tanh(c) * tf.sigmoid(o)


def layer(x: Any, w: Any, b: Any, steps: int, width: int) -> Any:
    """An LSTM over `[steps, batch, width]`, as written before there was `dynamic_rnn`."""
    inputs = tf.TensorArray(tf.float32, steps).unstack(x)
    zero = tf.zeros([tf.shape(x)[1], width])

    def body(t, c, h, out):
        c, h = cell(inputs.read(t), c, h, w, b)
        return t + 1, c, h, out.write(t, h)

    start = [tf.constant(0), zero, zero, tf.TensorArray(tf.float32, steps)]
    return tf.while_loop(lambda t, *_: t < steps, body, start)[-1].stack()


def two_layers() -> tuple[Any, ...]:
    x = tf.placeholder(tf.float32, [N, B, W])
    weights = [(tf.Variable(array(2 * W, 4 * W)), tf.Variable(array(4 * W))) for _ in range(2)]
    out = x
    for w, b in weights:
        out = layer(out, w, b, N, W)
    loss = tf.reduce_mean(tf.square(out - 0.1))
    return x, [loss, out, *tf.gradients(loss, [x, *sum(weights, ())])]


def rnn(lengths: Any = None, static: bool = False) -> tuple[Any, ...]:
    x = tf.placeholder(tf.float32, [B, N, W])
    lstm = tf.nn.rnn_cell.BasicLSTMCell(W)
    if static:
        outputs, state = tf.nn.static_rnn(lstm, tf.unstack(x, axis=1), dtype=tf.float32)
        out = tf.stack(outputs)
    else:
        out, state = tf.nn.dynamic_rnn(lstm, x, lengths, dtype=tf.float32)
    loss = tf.reduce_mean(tf.square(out)) + tf.reduce_mean(state.h)
    return x, [loss, out, *tf.gradients(loss, [x, *tf.trainable_variables()])]


def both_ways() -> tuple[Any, ...]:
    x = tf.placeholder(tf.float32, [B, N, W])
    cells = [tf.nn.rnn_cell.GRUCell(W) for _ in range(2)]
    out, _ = tf.nn.bidirectional_dynamic_rnn(cells[0], cells[1], x, dtype=tf.float32)
    loss = tf.reduce_mean(tf.square(tf.concat(out, 2)))
    return x, [loss, *tf.gradients(loss, [x, *tf.trainable_variables()])]


@pytest.mark.parametrize(
    "model",
    [two_layers, rnn, lambda: rnn([2, 6, 4]), lambda: rnn(static=True), both_ways],
    ids=["two layers", "dynamic_rnn", "lengths", "static_rnn", "bidirectional"],
)
def test_gradients_of_recurrent_networks(model, monkeypatch, caplog):
    monkeypatch.setenv("MILLRACE_CACHE", "0")
    tf.set_random_seed(1)
    x, fetches = model()
    feeds = {x: array(*x.shape.as_list())}
    values: list[Any] = []
    results: list[Any] = []
    for level in (-1, 1):
        config = tf.ConfigProto(
            graph_options=tf.GraphOptions(optimizer_options=tf.OptimizerOptions(global_jit_level=level))
        )
        with tf.Session(config=config) as sess, caplog.at_level("INFO", "millrace"):
            if values:
                for v, a in zip(tf.global_variables(), values, strict=True):
                    v.load(a, sess)
            else:
                sess.run(tf.global_variables_initializer())
                values = sess.run(tf.global_variables())
            results.append(sess.run(fetches, feeds))
    for interpreted, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, interpreted, rtol=2e-4, atol=2e-6)
    assert not [r for r in caplog.records if "stays in the interpreter" in r.getMessage()]
