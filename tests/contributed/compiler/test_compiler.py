"""Scopes and functions that are compiled as a whole: attributes, names, structures and refusals."""

import numpy as np
import pytest

import millrace as tf

JIT, XLA = tf.contrib.compiler.jit, tf.contrib.compiler.xla


def marks(tensor: tf.Tensor) -> tuple:
    return tuple(tensor.op.get_attr(name) for name in ("_XlaCompile", "_XlaScope"))


def test_scopes_mark_what_is_made_inside() -> None:
    x = tf.constant(1.0)
    with JIT.experimental_jit_scope():
        first = tf.tanh(x)
        with JIT.experimental_jit_scope(compile_ops=False):
            inner = tf.sin(first)
    with JIT.experimental_jit_scope(compile_ops=lambda node: node.op == "Cos"):
        chosen, other = tf.cos(inner), tf.exp(inner)
    assert marks(first) == (True, b"jit_scope_0")
    assert marks(inner) == (False, b"jit_scope_0")
    assert marks(chosen) == (True, b"jit_scope_1")
    assert marks(other) == (False, b"jit_scope_1")
    with pytest.raises(ValueError, match="_XlaCompile"):
        tf.exp(x).op.get_attr("_XlaCompile")


def test_cluster_is_drawn_as_tensorflow_draws_it() -> None:
    (out,) = XLA.compile(lambda x, y: tf.tanh(x * y), [tf.constant(2.0), 3.0])
    names = [op.name for op in tf.get_default_graph().get_operations() if op.type != "Const"]
    assert names == [
        "cluster/pivot",
        "input_0",
        "input_1",
        "mul",
        "Tanh",
        "NoOp",
        "Identity",
        "output0",
        "output_0",
    ]
    with tf.Session() as session:
        assert session.run(out) == pytest.approx(np.tanh(6.0))
    with pytest.raises(RuntimeError, match="inside of the computation"):
        tf.gradients(out, tf.get_default_graph().get_tensor_by_name("Const:0"))


def test_structures_and_operations() -> None:
    counter = tf.Variable(0)
    found = XLA.compile(lambda x: {"a": x, "b": [x, x * 2.0]}, [1.0])
    (held,) = XLA.compile(lambda x: (x * 3.0, counter.assign_add(1).op), [1.0])
    nothing = XLA.compile(lambda: None)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(found) == {"a": 1.0, "b": [1.0, 2.0]}
        assert session.run(held) == 3.0
        assert session.run(counter) == 1
        session.run(nothing)


def test_refusals() -> None:
    with pytest.raises(TypeError, match="inputs must be a list"):
        XLA.compile(tf.identity, 2.0)
    with pytest.raises(ValueError, match="followed by"):
        XLA.compile(lambda x: (tf.no_op(), x), [2.0])
    with pytest.raises(ValueError, match="within a structure"):
        XLA.compile(lambda x: [[x, tf.no_op()]], [2.0])
    assert XLA.check_function_argument_count(lambda x, y=1: x, 2, None) is None
    assert XLA.check_function_argument_count(lambda x, y: x, 1, None) == "exactly 2 arguments"
    assert XLA.check_function_argument_count(lambda x, y=1: x, 3, None) == "at most 2 arguments"


@pytest.mark.parametrize("mode", [tf.estimator.ModeKeys.TRAIN, tf.estimator.ModeKeys.EVAL])
def test_training_steps_of_estimators(mode: str) -> None:
    moved = tf.Variable(1.0)

    @XLA.estimator_model_fn
    def model_fn(features, labels, mode, params):
        loss = tf.reduce_sum(features) * params["scale"]
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=moved.assign(5.0).op)

    spec = model_fn(tf.constant([1.0, 2.0]), None, mode, {"scale": 2.0})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(spec.loss) == 6.0
        session.run(spec.train_op)
        assert session.run(moved) == 5.0
