"""`Defun`: functions of the graph."""

import pytest

import millrace as tf
from millrace.lib.variables.graph_functions import Defun, get_extra_args, get_extra_inputs, get_extra_vars


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def _run(*fetches):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(list(fetches))


def test_a_call_adds_the_operations_under_its_name():
    @Defun(tf.float32, tf.float32, func_name="both")
    def both(x, y):
        return tf.multiply(x, y, name="product"), x - y

    product, difference = both(tf.constant([2.0]), tf.constant([5.0]))
    assert product.name == "both:0" and difference.name == "both:1"
    assert both(1.0, 2.0, name="again")[0].op.name == "again"
    assert "both/product" in [op.name for op in tf.get_default_graph().get_operations()]
    assert [v.tolist() for v in _run(product, difference)] == [[10.0], [-3.0]]
    assert both.definition.signature.name == both.name == "both"
    assert [a.name for a in both.definition.signature.input_arg] == ["x", "y"]
    assert both.declared_input_types == (tf.float32, tf.float32)


def test_the_python_function_is_called_once():
    calls = []

    @Defun(tf.float32)
    def noisy(x):
        calls.append(1)
        return x + 1.0

    assert noisy(1.0).op.name != noisy(2.0).op.name
    assert len(calls) == 1
    assert noisy.name.startswith("noisy_") and noisy.stateful_ops == []


def test_gradients_go_through_a_call():
    x = tf.constant(3.0)
    assert _run(tf.gradients(Defun(tf.float32)(lambda v: v * v)(x), x)[0]) == [6.0]


def test_a_python_function_gives_the_gradient():
    seen = []

    def grad(op, dy):
        seen.append((op.type, len(op.inputs), len(op.outputs)))
        return op.inputs[0] * dy * 100.0

    @Defun(tf.float32, func_name="square", python_grad_func=grad, shape_func=lambda op: [op.inputs[0].shape])
    def square(x):
        return x * x

    x = tf.constant([3.0])
    y = square(x)
    assert y.shape == [1] and y.op.name == "square" and square.python_grad_func is grad
    assert _run(tf.gradients(y, x)[0])[0].tolist() == [300.0]
    assert seen == [("square", 1, 1)]


def test_a_function_of_the_graph_gives_the_gradient():
    @Defun(tf.float32, tf.float32)
    def five(x, dy):
        return 5.0 * dy

    @Defun(tf.float32, grad_func=five, noinline=True)
    def tanh(x):
        return tf.tanh(x)

    x = tf.constant(1.0)
    assert tanh.grad_func_name == five.name
    assert _run(tf.gradients(tanh(x), x)[0]) == [5.0]


def test_types_may_follow_from_the_call():
    double = Defun(func_name="double")(lambda v: v + v)
    assert double(tf.constant(2)).dtype == tf.int32
    assert double(tf.constant(2.0)).dtype == tf.float32
    assert double.instantiate([tf.int32]).name == "double_int32"


def test_what_is_outside_is_captured():
    outside = tf.constant(10.0)
    extra = []

    @Defun(tf.float32, out_names=["sum"])
    def add(x):
        weight = tf.get_variable("w", [], initializer=tf.ones_initializer())
        found = x + outside + weight
        extra.append((get_extra_vars(), get_extra_inputs(), len(get_extra_args())))
        return found

    result = add(1.0)
    assert [v.name for v in tf.trainable_variables()] == ["w:0"]
    assert [v.name for v in extra[0][0]] == ["w:0"] and outside in extra[0][1] and extra[0][2] == 2
    assert add.captured_inputs[0] is outside and add.definition.signature.output_arg[0].name == "sum"
    assert _run(result) == [12.0]
    assert get_extra_vars() == get_extra_inputs() == get_extra_args() == []


def test_captures_by_value_are_copied():
    outside = tf.constant(10.0)
    add = Defun(tf.float32, capture_by_value=True)(lambda x: x + outside)
    assert _run(add(1.0)) == [11.0] and add.captured_inputs == []


def test_a_call_inside_a_loop_and_loops_inside_a_call():
    @Defun(tf.int32)
    def to_hundred(x):
        return tf.while_loop(lambda v: v < 100, lambda v: v * 2, [x])

    def body(i, total):
        return i + 1, total + tf.reshape(to_hundred(i), [])

    assert _run(tf.while_loop(lambda i, t: i < 4, body, [tf.constant(1), tf.constant(0)])[1]) == [448]


def test_without_a_result_the_call_is_an_operation():
    v = tf.Variable(1.0, use_resource=True)
    bump = Defun()(lambda: v.assign_add(1.0).op)
    op = bump()
    assert isinstance(op, tf.Operation)
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(op)
        assert sess.run(v) == 2.0


@pytest.mark.parametrize("arguments", [(), (1.0, 2.0), (tf.int32,)])
def test_wrong_arguments_are_refused(arguments):
    one = Defun(tf.float32)(lambda x: x)
    given = [tf.constant(1) if a is tf.int32 else a for a in arguments]
    with pytest.raises(ValueError, match="expected float32|Expected number"):
        one(*given)


def test_a_wrong_function_is_refused():
    with pytest.raises(ValueError, match="fewer arguments"):
        Defun(tf.float32)(lambda: 1)
    with pytest.raises(ValueError, match="more arguments"):
        Defun(tf.float32)(lambda x, y: x)
    with pytest.raises(ValueError, match="callable"):
        Defun(tf.float32)(3)
    with pytest.raises(ValueError, match="twice"):
        Defun(tf.float32, grad_func=1, python_grad_func=2)(lambda x: x)
    with pytest.raises(ValueError, match="None"):
        Defun(tf.float32)(lambda x: [None])(1.0)
    with pytest.raises(ValueError, match="out_names"):
        Defun(tf.float32, out_names=["a", "b"])(lambda x: x)(1.0)


def test_a_control_edge_to_an_argument_holds():
    v = tf.Variable(1.0, use_resource=True)

    @Defun(tf.float32)
    def after(x):
        with tf.control_dependencies([x]):
            return tf.constant(5.0)

    result = after(v.assign(3.0))
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(result) == 5.0
        assert sess.run(v) == 3.0
