"""Small updates of one kind run as one, with the values of the updates one by one."""

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import together

OPTIMIZERS = {
    "adam": lambda: tf.train.AdamOptimizer(0.01),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "descent": lambda: tf.train.GradientDescentOptimizer(0.1),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "rms": lambda: tf.train.RMSPropOptimizer(0.01, centered=True),
    "ftrl": lambda: tf.train.FtrlOptimizer(0.1),
}


def trained(make, resource, steps=4, count=7):
    rng = np.random.RandomState(0)
    with tf.Graph().as_default() as graph, tf.variable_scope("", use_resource=resource):
        x = tf.placeholder(tf.float32, [None, 5])
        h = x
        for i in range(count):
            w = tf.get_variable(f"w{i}", initializer=rng.randn(5, 5).astype("f"))
            h = tf.tanh(tf.matmul(h, w) + tf.get_variable(f"b{i}", initializer=rng.randn(5).astype("f")))
        step = make().minimize(tf.reduce_mean(tf.square(h)))
        data = rng.randn(3, 5)
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(steps):
                session.run(step, {x: data})
            return session.run(tf.global_variables())


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_values_are_those_of_single_updates(monkeypatch, name, resource):
    made = []
    close = together._close
    monkeypatch.setattr(together, "_close", lambda *args: (close(*args), made.append(args[-1][-1]))[0])
    gathered = trained(OPTIMIZERS[name], resource)
    assert any(isinstance(part, together.Together) for part in made) == (name != "ftrl")
    monkeypatch.setattr(together, "_LEAST", 10**9)
    single = trained(OPTIMIZERS[name], resource)
    for a, b in zip(gathered, single, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_value_that_a_later_step_needs_is_there_in_time():
    variables = [tf.Variable([1.0, float(i)]) for i in range(6)]
    moved = [tf.assign_sub(v, [0.5, 0.5]) for v in variables]
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    with tf.control_dependencies(moved):
        step = optimizer.apply_gradients([(tf.ones([2]), v) for v in variables])
    with tf.control_dependencies([step]):
        after = [tf.identity(v) for v in variables]
    again = optimizer.apply_gradients([(after[0], variables[0])])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values, _ = session.run([after, again])
        np.testing.assert_array_equal(values, [[-0.5, i - 1.5] for i in range(6)])
        assert session.run(variables[0]).tolist() == [0.0, 0.0]


def test_a_variable_of_another_shape_is_updated_alone():
    variables = [tf.Variable(np.ones(2, "f")) for _ in range(5)]
    other = tf.assign(variables[2], [1.0, 2.0, 3.0], validate_shape=False)
    gradients = [tf.placeholder(tf.float32, [2]) for _ in variables]
    step = tf.train.GradientDescentOptimizer(1.0).apply_gradients(
        list(zip(gradients, variables, strict=True))
    )
    feeds = {g: [1.0, 1.0] for g in gradients}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step, feeds)
        assert session.run(variables[2]).tolist() == [0.0, 0.0]
        session.run(other)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(step, feeds)
        assert session.run(variables[0]).tolist() == [0.0, 0.0]


def test_fetched_values_are_the_callers_own():
    variables = [tf.Variable(np.ones(2, "f")) for _ in range(5)]
    step = tf.train.GradientDescentOptimizer(1.0).apply_gradients([(tf.ones([2]), v) for v in variables])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        fetched = session.run(variables)
        fetched[0][:] = 7
        assert [v.tolist() for v in session.run(variables)] == [[0.0, 0.0]] * 5


def test_many_variables_are_read_at_once():
    count = 600
    variables = [tf.get_variable(f"v{i}", initializer=np.full(1 + i % 3, i, "f")) for i in range(count)]
    total = tf.add_n([tf.reduce_sum(v) for v in variables])
    counter = tf.random_uniform([], seed=1)
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="v0"):
            session.run(total)
        session.run(tf.global_variables_initializer())
        assert session.run(total) == sum(i * (1 + i % 3) for i in range(count))
        first, second = session.run([total, counter])[1], session.run([total, counter])[1]
        assert first != second


def test_rows_are_taken_as_one_array_until_somebody_else_writes(monkeypatch):
    joined = []
    concatenate = np.concatenate
    monkeypatch.setattr(
        together.np, "concatenate", lambda *args: (joined.append(len(args[0])), concatenate(*args))[1]
    )
    variables = [tf.Variable(np.full([3], float(i), "f")) for i in range(5)]
    step = tf.train.MomentumOptimizer(1.0, 0.5).apply_gradients([(tf.ones([3]), v) for v in variables])
    counts = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())

        def run():
            joined.clear()
            session.run(step)
            counts.append(joined.count(5))

        run(), run(), run()
        variables[2].load(np.zeros(3, "f"), session)
        run(), run()
        values = session.run(variables)
        values[0][:] = 100  # a copy
        run()
        after = session.run(variables)
    assert counts == [3, 1, 1, 2, 1, 1]
    moved = [1, 1.5, 1.75, 1.875, 1.9375, 1.96875]
    for i, value in enumerate(after):
        expected = -sum(moved[3:]) if i == 2 else i - sum(moved)
        np.testing.assert_array_equal(value, np.full(3, expected, "f"))


def test_updates_of_rows_are_left_alone():
    """As many rows as a variable has, by one tensor of numbers: their shapes are those of whole updates."""
    numbers = tf.placeholder(tf.int32, [4])
    variables = [tf.Variable(np.full([4, 2], k, "f")) for k in range(6)]
    step = tf.train.ProximalGradientDescentOptimizer(0.5).apply_gradients(
        [(tf.IndexedSlices(tf.fill([4, 2], k + 1.0), numbers), v) for k, v in enumerate(variables)]
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step, {numbers: [0, 1, 3, 3]})
        found = session.run(variables)
    for k, value in enumerate(found):
        np.testing.assert_array_equal(value[:, 0], k - 0.5 * (k + 1) * np.array([1, 1, 0, 2]))
    same = [
        tf.raw_ops.SparseApplyProximalGradientDescent(
            var=v, alpha=0.5, l1=0.0, l2=0.0, grad=tf.ones([4, 2]), indices=numbers
        )
        for v in variables
    ]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run([made.op for made in same], {numbers: [0, 1, 3, 2]})
        for k, value in enumerate(session.run(variables)):
            np.testing.assert_array_equal(value, np.full([4, 2], k - 0.5))
