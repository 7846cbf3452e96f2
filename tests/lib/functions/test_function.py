"""`tf.function`: drawn once for each kind of arguments, called anywhere."""

import numpy as np
import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def test_one_drawing_for_each_kind_of_arguments():
    drawn = []

    @tf.function
    def scaled(x, by=2):
        drawn.append((x.shape.as_list(), by))
        return x * by

    x = tf.placeholder(tf.float32, [None])
    results = [
        scaled(x),
        scaled(x, by=2),
        scaled(tf.constant([1.0])),
        scaled(x, 3),
        scaled(np.float32([4.0])),
    ]
    assert drawn == [([None], 2), ([1], 2), ([None], 3)]
    assert [r.name for r in results[:2]] == ["PartitionedCall:0", "PartitionedCall_1:0"]
    assert results[2].shape == [1]
    assert [r.tolist() for r in run(results, {x: [5.0]})] == [[10.0], [10.0], [2.0], [15.0], [8.0]]


def test_objects_and_tensors_as_values():
    @tf.function
    def combined(x, pair, kind):
        return {"sum": x + pair[0], "none": None, "rest": (pair[1]["a"], kind.factor)}

    class Kind:
        factor = 7

    result = combined(tf.constant(1), (tf.constant(2), {"a": 3}), Kind())
    assert result["none"] is None
    assert run([result["sum"], *result["rest"]]) == [3, 3, 7]


def test_branches_and_loops():
    @tf.function
    def fibonacci(n):
        a, b = 0, 1
        while n > 0:
            a, b = b, a + b
            n -= 1
        return a

    @tf.function
    def of_both(n):
        return fibonacci(n) + fibonacci(n + 1)

    assert run([fibonacci(tf.constant(10)), of_both(tf.constant(5))]) == [55, 13]
    with pytest.raises(TypeError, match="Python bool"):
        tf.function(lambda x: x if x > 0 else -x, autograph=False)(tf.constant(1))


def test_calls_in_branches_and_loops():
    square = tf.function(lambda x: x * x)
    total = tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + square(i)), (0, 0))
    chosen = tf.cond(total[1] > 10, lambda: square(total[1]), lambda: total[1])
    assert run([total[1], chosen]) == [14, 196]


def test_gradients_and_variables():
    w = tf.get_variable("w", [], initializer=tf.ones_initializer(), use_resource=True)

    @tf.function
    def advanced(x):
        w.assign_add(1.0)
        return x * w

    x = tf.constant(3.0)
    y = advanced(x)
    assert y.op.name == "StatefulPartitionedCall"
    assert run([y, *tf.gradients(y, [x, w])]) == [6.0, 2.0, 3.0]
    concrete = advanced.get_concrete_function(x)
    assert concrete.captured_inputs == [w.handle]
    assert concrete.graph.variables == [w]


def test_reads_see_the_writes_before_them_also_in_branches_and_loops():
    v = tf.get_variable("v", [], tf.int32, tf.zeros_initializer(), use_resource=True)

    @tf.function
    def stepped(n):
        v.assign(10)
        for i in tf.range(n):
            v.assign_add(i)
        if v > 12:
            v.assign_sub(1)
        first = v.read_value()
        v.assign(0)
        return first, v.read_value()

    inside = tf.while_loop(lambda i, s: i < 2, lambda i, s: (i + 1, s + stepped(3)[0]), (0, 0))[1]
    assert run([stepped(tf.constant(2)), stepped(tf.constant(4)), inside]) == [(11, 0), (15, 0), 24]


def test_effects_without_results():
    v = tf.get_variable("v", [], tf.int32, tf.zeros_initializer(), use_resource=True)

    @tf.function
    def bump():
        v.assign_add(2)

    operation = bump()
    assert operation is tf.get_default_graph().get_operation_by_name("PartitionedFunctionCall")
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(operation)
        session.run(operation)
        assert session.run(v) == 4


def test_variables_are_made_once():
    made = {}

    @tf.function
    def scaled(x):
        if "v" not in made:
            made["v"] = tf.Variable(tf.fill([2], 3.0), name="scale")
        return x * made["v"]

    results = [scaled(tf.constant(1.0)), scaled(tf.constant([1.0, 2.0]))]
    assert [v.name for v in tf.global_variables()] == ["scale:0"]
    assert made["v"].op.type == "VarHandleOp"
    assert [r.tolist() for r in run(results)] == [[3.0, 3.0], [3.0, 6.0]]

    @tf.function
    def always(x):
        return x * tf.Variable(2.0)

    with pytest.raises(ValueError, match="tried to create variables on non-first call"):
        always(tf.constant(1.0))
    assert run(tf.contrib.eager.defun(lambda x: x * tf.Variable(2.0))(tf.constant(4.0))) == 8.0


def test_a_layer_inside():
    layer = tf.keras.layers.Dense(2, kernel_initializer="ones")

    @tf.function
    def applied(x):
        return layer(x)

    assert run(applied(tf.constant([[1.0, 2.0, 3.0]]))).tolist() == [[6.0, 6.0]]
    assert run(applied(tf.ones([1, 3]))).tolist() == [[3.0, 3.0]]
    assert len(layer.weights) == len(tf.global_variables()) == 2


def test_methods_have_drawings_of_their_own():
    class Model:
        def __init__(self, factor):
            self.factor = factor
            self.drawn = 0

        @tf.function
        def scaled(self, x):
            self.drawn += 1
            return x * self.factor

    one, two = Model(2), Model(3)
    results = [one.scaled(tf.constant(1)), one.scaled(tf.constant(5)), two.scaled(tf.constant(5))]
    assert run(results) == [2, 10, 15]
    assert (one.drawn, two.drawn) == (1, 1)


def test_an_input_signature():
    drawn = []

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def doubled(x):
        drawn.append(x)
        return x * 2

    results = [doubled(tf.constant([1.0])), doubled([1.0, 2.0]), doubled(x=np.float32([3.0]))]
    assert [r.tolist() for r in run(results)] == [[2.0], [2.0, 4.0], [6.0]]
    assert len(drawn) == 1
    assert drawn[0].shape.as_list() == [None]
    assert doubled.get_concrete_function().structured_outputs.name == "Identity:0"
    for wrong in (tf.constant([1]), tf.constant(1.0)):
        with pytest.raises(ValueError, match="not compatible with the input signature"):
            doubled(wrong)
    with pytest.raises(TypeError):
        doubled(tf.constant([1.0]), 2)
    with pytest.raises(ValueError, match="do not nest"):
        doubled()
    with pytest.raises(TypeError, match="tuple or a list"):
        tf.function(lambda x: x, input_signature=3)
    with pytest.raises(TypeError, match="TensorSpecs"):
        tf.function(lambda x: x, input_signature=[3])


def test_concrete_functions():
    @tf.function
    def power(x, n):
        return x**n

    cube = power.get_concrete_function(tf.TensorSpec([None], tf.float32, name="base"), 3)
    assert [t.name for t in cube.inputs] == ["base:0"]
    assert cube.output_dtypes is tf.float32
    assert cube.output_shapes.as_list() == [None]
    assert [op.type for op in cube.graph.get_operations()][-1] == "Identity"
    assert run([cube(tf.constant([2.0])), cube(base=tf.constant([3.0]))]) == [[8.0], [27.0]]
    assert cube.function_def.signature.name == cube.name
    with pytest.raises(TypeError, match="takes 1 tensors"):
        cube()
    with pytest.raises(ValueError, match="argument 'base'"):
        cube(tf.constant([1]))


def test_relaxed_shapes():
    drawn = []

    @tf.function(experimental_relax_shapes=True)
    def total(x):
        drawn.append(x.shape.as_list())
        return tf.reduce_sum(x)

    assert run([total(tf.ones([n])) for n in (1, 2, 3, 4)]) == [1.0, 2.0, 3.0, 4.0]
    assert drawn == [[1], [None]]


def test_two_calls_draw_the_same_numbers():
    tf.set_random_seed(1)
    uniform = tf.function(lambda: tf.random_uniform([]))
    first, second, apart = run([uniform(), uniform(), tf.random_uniform([])])
    assert first == second == np.float32(0.7787856)
    assert apart == np.float32(0.195606)


def test_vectorized_map():
    rows = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    once = []

    def widened(row):
        once.append(row)
        return {"all": row * 2 + tf.reduce_sum(row), "most": tf.cast(tf.reduce_max(row), tf.int32)}

    result = tf.vectorized_map(widened, rows)
    assert len(once) == 1
    assert result["all"].shape == [2, 2]
    values = run([result, tf.gradients(result["all"], rows)[0]])
    assert values[0]["all"].tolist() == [[5.0, 7.0], [13.0, 15.0]]
    assert values[0]["most"].tolist() == [2, 4]
    assert values[1].tolist() == [[4.0, 4.0], [4.0, 4.0]]
    with pytest.raises(TypeError, match="callable"):
        tf.vectorized_map(3, rows)
    with pytest.raises(ValueError, match="scalar"):
        tf.vectorized_map(widened, 3.0)
