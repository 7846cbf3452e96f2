"""`tf.py_function`: what its functions get, what they may return, gradients, errors, datasets, threads."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import millrace as tf


def called(function, *values, dtype=tf.float32):
    """What a function gives that is called on constants in a session."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(tf.py_function(function, [tf.constant(v) for v in values], dtype))


def seen(look, *values):
    """What `look` finds inside of the function."""
    found = []
    called(lambda *tensors: found.append(look(*tensors)), *values, dtype=[])
    return found[0]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda x: type(x).__name__, "EagerTensor"),
        (lambda x: isinstance(x, tf.Tensor), True),
        (lambda x: (x.shape.as_list(), x.dtype, x.ndim, len(x)), ([3], tf.float32, 1, 3)),
        (lambda x: x.numpy().tolist(), [1.0, 2.0, 3.0]),
        (lambda x: str(x), "tf.Tensor([1. 2. 3.], shape=(3,), dtype=float32)"),
        (lambda x: [float(v) for v in x], [1.0, 2.0, 3.0]),
        (lambda x: (int(x[1]), bool(x[0]), f"{x[0]:.2f}"), (2, True, "1.00")),
        (lambda x: "large" if x[2] > 2.0 else "small", "large"),
        (lambda x: x == copy.deepcopy(x), True),
        (lambda x: pickle.loads(pickle.dumps(x)).numpy().tolist(), [1.0, 2.0, 3.0]),
        (lambda x: np.sum(x).item(), 6.0),
        (lambda x: tf.reduce_sum(x * 2.0).numpy(), 12.0),
        (lambda x: (np.ones(3, np.float32) + x).numpy().tolist(), [2.0, 3.0, 4.0]),
        (lambda x: [10, 20, 30][tf.constant(1)], 20),
        (lambda x: tf.executing_eagerly(), True),
        (lambda x: tf.cond(x[0] > 0.0, lambda: 1, lambda: 2), 1),
        (lambda x: int(tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])), 3),
        (lambda x: tf.map_fn(lambda v: v.numpy() * 2.0, x).numpy().tolist(), [2.0, 4.0, 6.0]),
        (lambda x: tf.scan(lambda a, v: a + v, x).numpy().tolist(), [1.0, 3.0, 6.0]),
        (lambda x: [int(v) for v in tf.data.Dataset.range(6).filter(lambda i: i % 2 > 0)], [1, 3, 5]),
        (lambda x: tf.constant(["é", "b"]).numpy()[0].decode(), "é"),
        (lambda x: tf.compat.v2.function(lambda a: a * 2.0)(x).numpy().tolist(), [2.0, 4.0, 6.0]),
        (lambda x: tf.py_func(lambda a: a * 2.0, [x], tf.float32).numpy().tolist(), [2.0, 4.0, 6.0]),
        (lambda x: tf.get_static_value(x).tolist(), [1.0, 2.0, 3.0]),
        (lambda x: tf.layers.dense(x[None], 2).shape.as_list(), [1, 2]),
    ],
)
def test_tensors_have_their_values(look, expected):
    assert seen(look, [1.0, 2.0, 3.0]) == expected
    assert not tf.executing_eagerly()


def test_variables_made_inside_keep_their_values_from_call_to_call():
    kept = []

    def count(x):
        if not kept:
            kept.append(tf.Variable(10.0))
        kept[0].assign_add(x)
        return kept[0].read_value()

    with tf.Graph().as_default(), tf.Session() as session:
        total = tf.py_function(count, [tf.constant(2.0)], tf.float32)
        assert [session.run(total) for _ in range(3)] == [12.0, 14.0, 16.0]


def test_gradient_tape_inside():
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x * x
        return tape.gradient(y, x)

    assert called(slope, 2.0) == 12.0


@pytest.mark.parametrize(
    ("function", "wanted", "expected"),
    [
        (lambda x: x * 2.0, tf.float32, 2.0),
        (lambda x: (x, 5), [tf.float32, tf.int64], [1.0, 5]),
        (lambda x: np.float64(3.0), tf.float32, 3.0),
        (lambda x: "text", tf.string, b"text"),
        (lambda x: None, [], None),
        (lambda x: [7.0, 8.0], tf.float32, 7.0),
        (
            lambda x: tf.IndexedSlices(tf.ones([1]), tf.constant([1]), tf.constant([2])),
            tf.float32,
            [0.0, 1.0],
        ),
    ],
)
def test_what_functions_return(function, wanted, expected):
    found = called(function, 1.0, dtype=wanted)
    assert found is None if expected is None else np.array_equal(found, expected)


def fail_in_python(x):
    return {}["a"]


@pytest.mark.parametrize(
    ("function", "wanted", "kind", "said"),
    [
        (lambda x: int("a"), tf.float32, tf.errors.InvalidArgumentError, "ValueError: invalid literal"),
        (fail_in_python, tf.float32, tf.errors.UnknownError, "fail_in_python"),
        (lambda x: tf.matmul(x, x), tf.float32, tf.errors.UnknownError, "InvalidArgumentError"),
        (lambda x: 3.5, tf.int32, tf.errors.InvalidArgumentError, "3.5"),
        (lambda x: None, tf.float32, tf.errors.InvalidArgumentError, "returns 0 values"),
        (lambda x: x, [tf.float32, tf.float32], tf.errors.InvalidArgumentError, "returns 1 values"),
        (lambda x: tf.Variable(1.0), tf.float32, tf.errors.UnknownError, "return a variable"),
        (lambda x: tf.placeholder(tf.float32), tf.float32, tf.errors.UnknownError, "not compatible"),
    ],
)
def test_errors_of_calls(function, wanted, kind, said):
    with pytest.raises(kind, match=said):
        called(function, 1.0, dtype=wanted)


def test_errors_while_the_graph_is_built():
    with pytest.raises(ValueError, match="callable"):
        tf.py_function(3, [1.0], tf.float32)
    with pytest.raises(TypeError, match="list"):
        tf.py_function(lambda x: x, tf.constant(1.0), tf.float32)
    x = tf.constant(1.0)
    y = tf.py_function(lambda: x + 1.0, [], tf.float32)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="Graph"):
        session.run(y)


def test_nodes():
    with tf.Graph().as_default() as graph:
        y = tf.py_function(lambda a, b: a + b, [1.0, [2.0]], tf.float32)
        (dx,) = tf.gradients(y, y.op.inputs[0])
    names = [op.name for op in graph.get_operations()]
    assert names[:3] == ["EagerPyFunc/input_0", "EagerPyFunc/input_1", "EagerPyFunc"]
    assert dx.op.name == "gradients/EagerPyFunc_grad/EagerPyFunc" and dx.op.control_inputs == [y.op]
    assert y.op.get_attr("is_async") is False and y.shape.ndims is None


def test_gradient_is_that_of_the_call():
    calls = []

    def cube(x, factor):
        calls.append(float(x))
        return x * x * x * tf.cast(factor, tf.float32), x + 1.0

    with tf.Graph().as_default(), tf.Session() as session:
        x, factor = tf.placeholder(tf.float32, []), tf.constant(2)
        first, second = tf.py_function(cube, [x, factor], [tf.float32, tf.float32])
        (dx,) = tf.gradients(first * 5.0 + second, [x])
        assert session.run(dx, {x: 3.0}) == 5.0 * 2.0 * 27.0 + 1.0
        assert calls == [3.0]  # not once more for the gradient
        assert session.run([dx, first], {x: 1.0}) == [31.0, 2.0]


def test_gradient_in_a_loop_longer_than_what_is_kept():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(1.1)

        def step(i, v):
            v = tf.py_function(lambda a: a * a, [v], tf.float32)
            v.set_shape([])
            return i + 1, v * 0.5

        _, y = tf.while_loop(lambda i, v: i < 12, step, [0, x])
        (dx,) = tf.gradients(y, x)
        expected = [2.0**12 * y / 1.1 for y in [session.run(y)]]
        np.testing.assert_allclose(session.run(dx), expected[0], rtol=1e-4)


def test_dataset_with_parallel_calls():
    def widths(i):
        rows, text = tf.py_function(
            lambda n: (np.full([int(n)], n, np.int64), str(int(n))), [i], [tf.int64, tf.string]
        )
        rows.set_shape([None])
        text.set_shape([])
        return rows, text

    with tf.Graph().as_default(), tf.Session() as session:
        dataset = tf.data.Dataset.range(4).map(widths, num_parallel_calls=3).padded_batch(4, ([None], []))
        rows, text = session.run(dataset.make_one_shot_iterator().get_next())
    assert rows.tolist() == [[0, 0, 0], [1, 0, 0], [2, 2, 0], [3, 3, 3]]
    assert text.tolist() == [b"0", b"1", b"2", b"3"]


def test_threads_share_a_variable_made_inside():
    kept = {}
    lock = threading.Lock()

    def add(x):
        with lock:
            if "total" not in kept:
                kept["total"] = tf.Variable(0.0)
            kept["total"].assign_add(x)
        return x

    with tf.Graph().as_default(), tf.Session() as session:
        y = tf.py_function(add, [tf.constant(1.0)], tf.float32)
        threads = [threading.Thread(target=lambda: [session.run(y) for _ in range(20)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.run(tf.py_function(lambda: kept["total"].read_value(), [], tf.float32)) == 80.0


def test_what_a_call_computed_is_freed_without_the_collector():
    values = []

    def work(x):
        array = np.ones(4)
        values.append(weakref.ref(array))
        return tf.constant(array, tf.float32) + x

    gc.collect()
    gc.disable()
    try:
        called(work, 1.0)
        assert values[0]() is None
    finally:
        gc.enable()


def test_contexts_left_open_end_with_the_call():
    called(lambda x: tf.Graph().as_default().__enter__() and 1.0, 1.0)
    called(lambda x: tf.name_scope("open").__enter__() and 1.0, 1.0)
    assert called(lambda x: x, 1.0) == 1.0


@tf.compat.v2.function
def absolute(x):
    return tf.cond(x[0] > 0.0, lambda: x, lambda: -x)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda x: tf.ragged.constant([[1], [2, 3]]).to_list(), [[1], [2, 3]]),
        (lambda x: [row.numpy().tolist() for row in tf.ragged.constant([[1], [2, 3]])], [[1], [2, 3]]),
        (lambda x: tf.keras.backend.eval(x * 2.0).tolist(), [2.0, 4.0, 6.0]),
        (lambda x: tf.keras.backend.get_value(tf.Variable([1.0])).tolist(), [1.0]),
        (lambda x: absolute(-x).numpy()[1], 2.0),
        (lambda x: int(tf.contrib.lookup.index_table_from_tensor(["a", "b"]).lookup(tf.constant("b"))), 1),
        (lambda x: repr(tf.Variable(1.5)).split()[-1], "numpy=np.float32(1.5)>"),
    ],
)
def test_objects_have_their_values(look, expected):
    assert seen(look, [1.0, 2.0, 3.0]) == expected
