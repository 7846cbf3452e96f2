"""Values that an operation refuses: both tiers raise the same error, and leave the variables as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw

pytestmark = pytest.mark.xla

_WIDE = 300  # columns: so that a compiled program takes the memory of the variables over


def ones(*dims: int) -> np.ndarray:
    return np.ones(dims, np.float32)


def table(rows: int = 8, resource: bool = False, dtype: Any = np.float32) -> Any:
    return tf.Variable(np.ones((rows, _WIDE), dtype), use_resource=resource)


def outcome(tier: str, build: Callable[[Any], Any], bad: Any, good: Any) -> tuple[type, str]:
    """The error for `bad` in one tier, after and before runs that succeed; variables must survive it."""
    options = tf.ConfigProto()
    options.graph_options.optimizer_options.global_jit_level = {"compile": 1, "interpret": -1}[tier]
    with tf.Graph().as_default():
        x = tf.placeholder(np.asarray(bad).dtype, np.shape(bad))
        fetch = build(x)
        variables = tf.global_variables()
        with tf.Session(config=options) as sess:
            sess.run(tf.global_variables_initializer())
            sess.run(fetch, {x: good})
            before = sess.run(variables)
            with pytest.raises(tf.errors.OpError) as raised:
                sess.run(fetch, {x: bad})
            for old, new in zip(before, sess.run(variables), strict=True):
                np.testing.assert_array_equal(old, new)
            sess.run(fetch, {x: good})
            return type(raised.value), raised.value.message


def agree(
    caplog: pytest.LogCaptureFixture, build: Callable[[Any], Any], bad: Any, good: Any
) -> tuple[type, str]:
    """The error that both tiers raise; nothing falls back to the interpreter unseen."""
    with caplog.at_level("INFO", "millrace"):
        compiled = outcome("compile", build, bad, good)
    assert not [r.getMessage() for r in caplog.records if "stays in the interpreter" in r.getMessage()]
    assert compiled == outcome("interpret", build, bad, good)
    return compiled


@pytest.fixture(autouse=True)
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_CACHE", "0")


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("how", ["update", "add", "sub", "mul", "div", "min", "max"])
def test_rows_of_variables(caplog: pytest.LogCaptureFixture, how: str, resource: bool) -> None:
    def build(x: Any) -> Any:
        return getattr(tf, f"scatter_{how}")(table(resource=resource), x, ones(2, _WIDE))

    for bad in ([1, 8], [-1, 0]):
        _, message = agree(caplog, build, np.int32(bad), np.int32([3, 3]))
        assert "is not in [0, 8)" in message


@pytest.mark.parametrize("how", ["update", "add", "sub"])
def test_slices_of_variables(caplog: pytest.LogCaptureFixture, how: str) -> None:
    def build(x: Any) -> Any:
        return getattr(tf, f"scatter_nd_{how}")(table(), x, ones(2, _WIDE))

    agree(caplog, build, np.int32([[1], [8]]), np.int32([[1], [2]]))


def test_rows_divided_by_zero(caplog: pytest.LogCaptureFixture) -> None:
    def build(x: Any) -> Any:
        return tf.scatter_div(table(dtype=np.int32), [1], x)

    _, message = agree(caplog, build, np.zeros((1, _WIDE), np.int32), np.ones((1, _WIDE), np.int32))
    assert "Integer division by zero" in message


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize(
    "name", ["GradientDescent", "Momentum", "Adagrad", "Adam", "RMSProp", "Ftrl", "Adadelta"]
)
def test_sparse_updates(caplog: pytest.LogCaptureFixture, name: str, resource: bool) -> None:
    def build(x: Any) -> Any:
        optimizer = getattr(tf.train, f"{name}Optimizer")(0.1, *([0.9] if name == "Momentum" else []))
        rows = tf.IndexedSlices(tf.constant(ones(2, _WIDE)), x, tf.constant([8, _WIDE]))
        return optimizer.apply_gradients([(rows, table(resource=resource))])

    agree(caplog, build, np.int32([1, -1]), np.int32([1, 1]))


def _array(*dims: int) -> Any:
    return tf.TensorArray(tf.float32, dims[0], element_shape=dims[1:])


def _full() -> Any:
    return _array(3, 2).unstack(tf.constant(ones(3, 2)))


def _sparse_product(x: Any) -> Any:
    return tf.sparse_tensor_dense_matmul(tf.SparseTensor(x, ones(2), [4, 4]), ones(4, 3))


def _pool_gradient(x: Any) -> Any:
    flags: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    return raw.MaxPoolGradWithArgmax(ones(1, 4, 4, 1), ones(1, 2, 2, 1), tf.reshape(x, [1, 2, 2, 1]), **flags)


VALUES = {
    "gather": (lambda x: tf.gather(ones(4, 2), x), [0, 4], [0, 3]),
    "gather_nd": (lambda x: tf.gather_nd(ones(4, 3), x), [[3, -1]], [[3, 2]]),
    "embedding": (lambda x: tf.nn.embedding_lookup(table(), x), [0, 8], [0, 7]),
    "index": (lambda x: tf.constant(ones(4, 2))[x], 4, -4),
    "slice": (lambda x: tf.slice(ones(4, 3), x, [1, 1]), [4, 0], [3, 2]),
    "scatter_nd": (lambda x: tf.scatter_nd(x, ones(1), [4]), [[4]], [[3]]),
    "sparse_product": (_sparse_product, np.int64([[0, 0], [4, 1]]), np.int64([[0, 0], [3, 1]])),
    "sparse_to_dense": (lambda x: tf.sparse_to_dense(x, [4], ones(2)), [1, 4], [1, 3]),
    "unsorted": (lambda x: tf.unsorted_segment_sum(ones(3, 2), x, 4), [1, 4, 0], [1, -3, 0]),
    "labels": (
        lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=x, logits=ones(2, 3)),
        [0, 3],
        [0, 2],
    ),
    "permutation": (tf.invert_permutation, [0, 0, 1], [0, 2, 1]),
    "lengths": (lambda x: tf.reverse_sequence(ones(2, 3), x, 1), [0, 4], [0, 3]),
    "coordinates": (lambda x: tf.unravel_index(x, [2, 3]), [6, 1], [5, 1]),
    "band": (lambda x: tf.matrix_band_part(ones(4, 3), x, -1), np.int64(5), np.int64(4)),
    "boxes": (lambda x: tf.image.crop_and_resize(ones(2, 5, 5, 1), ones(2, 4), x, [2, 2]), [0, 2], [0, 1]),
    "range": (lambda x: tf.random_uniform([2], x, 5, dtype=tf.int32), 5, 4),
    "bins": (lambda x: tf.bincount(x, minlength=3, maxlength=3), [-1, 2], [1, 2]),
    "pool": (_pool_gradient, np.int64([0, 2, 8, 16]), np.int64([0, 2, 8, 15])),
    "quotient": (lambda x: 7 // x, [1, 0], [1, 2]),
    "power": (lambda x: tf.pow(2, x), -1, 2),
    "array_read": (lambda x: _full().read(x), 3, 2),
    "array_gather": (lambda x: _full().gather(x), [0, 3], [2, 1]),
    "array_write": (lambda x: _array(3, 2).write(x, ones(2)).stack(), -1, 1),
    "array_scatter": (lambda x: _array(3, 2).scatter(x, ones(2, 2)).stack(), [0, 3], [2, 1]),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(caplog: pytest.LogCaptureFixture, name: str) -> None:
    build, bad, good = VALUES[name]
    typed = [np.int32(v) if isinstance(v, int | list) else v for v in (bad, good)]
    agree(caplog, build, *typed)


# --- inside of branches and loops ---------------------------------------------------------------------------


def _repeated(turns: int, value: Callable[[Any], Any], start: Any) -> Any:
    return tf.while_loop(lambda i, _: i < turns, lambda i, a: (i + 1, a + value(i)), (0, start))[1]


def _asserting(x: Any) -> Callable[[Any], Any]:
    def value(i: Any) -> Any:
        with tf.control_dependencies([tf.assert_less(x[i], 5)]):
            return tf.identity(x[i])

    return value


def _writing_branch(x: Any) -> Any:
    rows = table()
    return tf.cond(x[0] > 0, lambda: tf.scatter_add(rows, x, ones(2, _WIDE)) * 1, lambda: rows * 1)


def _training(x: Any) -> Any:
    rows = table()
    losses = tf.map_fn(lambda i: tf.reduce_sum(tf.gather(rows, i) ** 2), x, dtype=tf.float32)
    return tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(losses))


BODIES = {
    "branch": (
        lambda x: tf.cond(x[0] > 0, lambda: tf.gather(ones(4), x), lambda: tf.gather(ones(4), -x)),
        [1, 7],
        [1, 3],
    ),
    "other branch": (
        lambda x: tf.cond(x[0] > 0, lambda: tf.gather(ones(4), x), lambda: tf.gather(ones(4), -x)),
        [0, 7],
        [0, -3],
    ),
    "branch that writes": (_writing_branch, [1, -7], [1, 3]),
    "loop": (lambda x: _repeated(4, lambda i: tf.gather(ones(4), x[0] + i), 0.0), [1, 0], [0, 0]),
    "branch in a loop": (
        lambda x: _repeated(2, lambda i: tf.cond(i > 0, lambda: 5 // x[i], lambda: 0), 0),
        [1, 0],
        [0, 2],
    ),
    "loop in a loop": (
        lambda x: _repeated(2, lambda i: _repeated(2, lambda j: 5 // x[j], i), 0),
        [1, 0],
        [1, 2],
    ),
    "map": (lambda x: tf.map_fn(lambda i: tf.gather(ones(4), i), x, tf.float32), [1, 7], [1, 3]),
    "gradient": (_training, [1, 8], [1, 7]),
    "assertion": (lambda x: _repeated(2, _asserting(x), 0), [1, 7], [1, 2]),
    "condition": (
        lambda x: tf.while_loop(lambda i: tf.equal(tf.gather(x, i), 0), lambda i: i + 1, [0]),
        [0, 0],
        [0, 1],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(caplog: pytest.LogCaptureFixture, name: str) -> None:
    build, bad, good = BODIES[name]
    agree(caplog, build, np.int32(bad), np.int32(good))


def test_a_branch_that_is_not_taken_is_not_checked() -> None:
    x = tf.placeholder(tf.int32, [2])
    value = tf.cond(x[0] > 0, lambda: tf.gather(ones(4), x), lambda: ones(2))
    options = tf.ConfigProto()
    options.graph_options.optimizer_options.global_jit_level = 1
    with tf.Session(config=options) as sess:
        np.testing.assert_array_equal(sess.run(value, {x: [0, 9]}), ones(2))


@pytest.mark.parametrize("read", [lambda x, i: x[i][None], lambda x, i: tf.gather(x, [i])])
def test_rows_at_a_counter_need_no_check_afterwards(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[Any, Any], Any]
) -> None:
    """So that the program may take the memory of the variables over: what fails is known before it runs."""
    from millrace.runtime.xla import program as xla_program

    made = []
    make = xla_program.Program._build

    def noting(*args: Any) -> Any:
        made.append(make(*args))
        return made[-1]

    monkeypatch.setattr(xla_program.Program, "_build", noting)
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    w, x = tf.Variable(ones(64, 64)), tf.Variable(ones(5, 64))
    turn = lambda i, h: (i + 1, tf.tanh(tf.matmul(h + read(x, i), w)))  # noqa: E731
    last = tf.while_loop(lambda i, _: i < 5, turn, (0, tf.zeros([1, 64])))[1]
    step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(last))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        made.clear()
        sess.run(step)
    (executable,) = made
    assert not executable._checks
