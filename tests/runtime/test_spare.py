"""A result may take the memory of a large value that nobody needs any more; and nobody sees it."""

import tracemalloc

import numpy as np
import pytest

import millrace as tf

SIDE = 300  # 90,000 elements: large
MIB = 1 << 20


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")


def numbers(seed=0, side=SIDE):
    return np.random.RandomState(seed).standard_normal([side, side]).astype("f")


def test_a_chain_has_the_values_of_its_steps():
    given = numbers()
    x = tf.placeholder(tf.float32, [SIDE, SIDE])
    y = (tf.square(x + 1.0) * x - x) / (tf.abs(x) + 2.0)
    with tf.Session() as sess:
        found = sess.run(y, {x: given})
    one, two = np.float32(1), np.float32(2)
    np.testing.assert_array_equal(found, (np.square(given + one) * given - given) / (np.abs(given) + two))


def test_what_a_chain_needs_at_its_peak():
    x = tf.placeholder(tf.float32, [1024, 1024])
    y = x
    for _ in range(6):
        y = (y + 1.0) * 0.5
    total = tf.reduce_max(y)
    given = np.zeros([1024, 1024], "f")
    with tf.Session() as sess:
        sess.run(total, {x: given})
        tracemalloc.start()
        sess.run(total, {x: given})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4.5 * MIB


@pytest.mark.parametrize("hold", ["queue", "python", "reshape", "list", "fetch"])
def test_a_value_that_somebody_holds_stays(hold):
    given = numbers(1)
    x = tf.placeholder(tf.float32, [SIDE, SIDE])
    y = x * 2.0
    held = []
    if hold == "queue":
        queue = tf.FIFOQueue(3, [tf.float32], [[SIDE, SIDE]])
        keep, look = queue.enqueue(y), queue.dequeue()
    elif hold == "python":
        keep = tf.py_func(lambda v: held.append(v), [y], [])
        look = None
    elif hold == "reshape":
        keep = look = tf.reshape(y, [-1])
    elif hold == "list":
        array = tf.TensorArray(tf.float32, 1, clear_after_read=False).write(0, y)
        keep = look = array.read(0)
    else:
        keep = look = y
    with tf.control_dependencies([keep]):
        z = y + 1.0
    with tf.Session() as sess:
        if hold in ("queue", "python"):
            found = sess.run(z, {x: given})
            kept = held[0] if look is None else sess.run(look)
        else:
            found, kept = sess.run([z, look], {x: given})
    np.testing.assert_array_equal(kept.reshape(SIDE, SIDE), given * np.float32(2))
    np.testing.assert_array_equal(found, given * np.float32(2) + np.float32(1))


def test_what_is_fed_and_what_is_stored_stays():
    given = numbers(2)
    before = given.copy()
    x = tf.placeholder(tf.float32, [SIDE, SIDE])
    v = tf.Variable(before)
    c = tf.constant(before)
    results = [x + 1.0, v * 3.0, c - 2.0]
    with tf.Session() as sess:
        sess.run(v.initializer)
        for _ in range(3):
            sess.run(results, {x: given})
        np.testing.assert_array_equal(given, before)
        np.testing.assert_array_equal(sess.run(v), before)
        np.testing.assert_array_equal(sess.run(c), before)


@pytest.mark.parametrize("kind", ["descent", "momentum", "adam", "rmsprop"])
def test_very_large_updates_in_blocks_have_the_bits_of_the_whole(kind):
    """A variable of 2,100 x 2,000 numbers is updated block by block, its rows in a small variable are not."""
    made = {
        "descent": lambda: tf.train.GradientDescentOptimizer(0.1),
        "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": lambda: tf.train.AdamOptimizer(0.1),
        "rmsprop": lambda: tf.train.RMSPropOptimizer(0.1, centered=True),
    }[kind]
    value = np.resize(numbers(3).ravel(), [2100, 2000])
    gradient = np.resize(numbers(4).ravel(), [2100, 2000])
    whole, rows = tf.Variable(value), tf.Variable(value[1300:1310])
    grad = tf.placeholder(tf.float32, [2100, 2000])
    halved = grad * 0.5  # a value of the run's own, whose memory the update may take
    step = made().apply_gradients([(halved, whole), (halved[1300:1310], rows)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(step, {grad: gradient})
        large, small = sess.run([whole, rows])
    np.testing.assert_array_equal(large[1300:1310], small)
    assert not np.array_equal(large[:1300], value[:1300])


def test_updates_of_large_variables_come_as_soon_as_their_gradient():
    """Eight gradients of 4 MiB are not all there at once."""
    variables = [tf.Variable(tf.zeros([1024, 1024])) for _ in range(8)]
    x = tf.placeholder(tf.float32, [4, 1024])
    loss = tf.add_n([tf.reduce_sum(tf.tanh(tf.matmul(x, v))) for v in variables])
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    given = np.ones([4, 1024], "f")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, {x: given})
        tracemalloc.start()
        sess.run(step, {x: given})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (8 + 2.5) * 4 * MIB  # all new values, and a gradient with what its update makes


def test_a_failed_step_stores_nothing():
    v = tf.Variable(numbers(5))
    x = tf.placeholder(tf.float32, [SIDE, SIDE])
    step = tf.assign(v, (v + x) * 2.0)
    with tf.control_dependencies([step]):
        check = tf.check_numerics(x, "x")
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="x : Tensor had NaN"):
            sess.run([step, check], {x: np.full([SIDE, SIDE], np.nan, "f")})
        np.testing.assert_array_equal(sess.run(v), numbers(5))


def test_rows_of_a_very_large_variable_are_updated_by_number():
    table = tf.Variable(tf.zeros([70_000, 64]))
    rows = tf.constant([5, 69_999, 5])
    step = tf.train.ProximalGradientDescentOptimizer(0.5).minimize(tf.reduce_sum(tf.gather(table, rows)))
    with tf.Session() as sess:
        sess.run(table.initializer)
        sess.run(step)
        found = sess.run(table)
    assert found[5, 0] == -1.0 and found[69_999, 63] == -0.5 and np.count_nonzero(found) == 128
