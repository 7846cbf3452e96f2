"""`tf.random.experimental.Generator`: states, draws with TensorFlow 1.15's numbers, nodes, errors."""

import numpy as np
import pytest

import millrace as tf

random = tf.random.experimental
Generator = random.Generator


def drawn(draw, seed=1, runs=1):
    """What `draw` gives of a generator in so many runs."""
    with tf.Graph().as_default(), tf.Session() as session:
        numbers = draw(Generator.from_seed(seed))
        session.run(tf.global_variables_initializer())
        return [session.run(numbers) for _ in range(runs)]


@pytest.mark.parametrize(
    ("seed", "algorithm", "state"),
    [
        (7, 1, [7, 0, 0]),
        (7, 2, [7, 0]),
        (-5, 1, [-5, -1, -1]),
        (2**70 + 3, 1, [3, 64, 0]),
        (2**63, 1, [-(2**63), 0, 0]),
        (2**200, 1, [0, 0, 0]),
        ([5, 6], 1, [0, 5, 6]),
        ([1, 2, 3, 4], 2, [1, 2]),
        ([2**63], 2, [0, -(2**63)]),
    ],
)
def test_states_of_seeds(seed, algorithm, state):
    assert random.create_rng_state(seed, algorithm).tolist() == state


@pytest.mark.parametrize(
    ("draw", "first", "second"),
    [
        (lambda g: g.normal([2]), [0.43842274, -0.53439844], [1.6307176, 0.00784778]),
        (lambda g: g.uniform([2]), [0.78749514, 0.3906511], [0.26456964, 0.24923408]),
        (lambda g: g.truncated_normal([2], 1.0, 3.0), [2.3152683, -0.6031953], [5.892153, 1.0235434]),
        (lambda g: g.uniform([2], 1.0, 3.0, tf.float64), [1.59992287, 1.68208892], [1.23311598, 2.86365715]),
        (lambda g: g.uniform_full_int([2], tf.int32), [-119223132, 1555169499], [161602923, -383785241]),
    ],
)
def test_draws_are_tensorflows(draw, first, second):
    for found, expected in zip(drawn(draw, runs=2), (first, second), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nodes_and_collections():
    with tf.Graph().as_default() as graph:
        seeds = Generator.from_seed(1).make_seeds(2)
        names = [op.name for op in graph.get_operations()]
        assert [v.name for v in tf.global_variables()] == ["Variable:0"] and not tf.trainable_variables()
    assert names[:2] == ["Const", "Variable"] and seeds.op.name == "stack"
    assert names[-5:] == ["stateful_uniform_full_int/shape", "stateful_uniform_full_int/algorithm",
                          "stateful_uniform_full_int", "zeros_like", "stack"]  # fmt: skip


def test_states_are_set_moved_and_copied():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        generator = Generator.from_key_counter(key=7, counter=[1, 2], alg=1)
        copied = Generator(copy_from=generator)
        generator.skip(3)
        generator.reset_from_seed(5)
        session.run(tf.global_variables_initializer())
        assert session.run([generator.state, copied.state, copied.key])[1:] != [] and copied.algorithm == 1
        assert session.run(copied.state).tolist() == [1, 2, 7]
        session.run(graph.get_operation_by_name("RngSkip"))
        assert session.run(generator.state).tolist() == [1 + 3 * 256, 2, 7]
        session.run(graph.get_operation_by_name("AssignVariableOp"))
        assert session.run(generator.state).tolist() == [5, 0, 0]


def test_the_global_generator_belongs_to_the_graph():
    with tf.Graph().as_default(), tf.Session() as session:
        assert random.get_global_generator() is random.get_global_generator()
        random.set_global_generator(Generator.from_seed(7))
        numbers = random.get_global_generator().normal([2])
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(numbers), [-1.3240396, 0.28785667], rtol=1e-6)
    with tf.Graph().as_default():
        assert random.get_global_generator().state.graph is tf.get_default_graph()


def test_split_where_values_are_known():
    def states():
        return [g.state.numpy() for g in Generator.from_seed(1).split(2)]

    with tf.Graph().as_default(), tf.Session() as session:
        first, second = session.run(tf.py_function(states, [], [tf.int64, tf.int64]))
    assert first.tolist() == [0, 0, 6679402142117448868] and second.tolist() == [0, 0, 684265014234019051]
    with tf.Graph().as_default(), pytest.raises(AttributeError, match="numpy"):
        Generator.from_seed(1).split(2)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Generator(), AssertionError, "state"),
        (lambda: Generator(copy_from=Generator.from_seed(1), alg=1), AssertionError, "copy"),
        (lambda: Generator.from_seed(1, "philox"), ValueError, "Unsupported algorithm id: philox"),
        (lambda: Generator.from_state([1, 2], 1), ValueError, "incompatible"),
        (lambda: Generator.from_key_counter(1, 4, 1), ValueError, "incompatible"),
        (lambda: Generator.from_seed(1).reset([1, 2]), ValueError, "incompatible"),
        (lambda: Generator.from_seed(None), TypeError, "int"),
        (lambda: Generator.from_seed(1).uniform([2], 5, dtype=tf.int32), ValueError, "maxval"),
    ],
)
def test_errors(make, kind, said):
    with tf.Graph().as_default(), pytest.raises(kind, match=said):
        make()


def test_what_has_no_kernel_is_drawn_all_the_same():
    with tf.Graph().as_default(), tf.Session() as session:
        counts = Generator.from_seed(1).binomial([4], [10.0], [0.3])
        assert (counts.op.type, counts.op.name) == ("StatefulRandomBinomial", "binomial")
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="No OpKernel"):
            session.run(counts)
