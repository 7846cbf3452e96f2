"""Tests of the rest of tf.contrib.framework: shapes, sums, functions, initializers, fused graphs."""

import numpy as np
import pytest

import millrace as tf

F = tf.contrib.framework


def _run(x, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x, feed)


def test_with_shape():
    fed = tf.placeholder(tf.float32)
    checked = F.with_shape([2, None], fed)
    assert checked.shape.as_list() == [2, None]
    assert _run(checked, {fed: np.ones((2, 3))}).shape == (2, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Wrong shape"):
        _run(checked, {fed: np.ones((3, 3))})
    known = tf.ones([2, 3])
    assert F.with_shape([2, 3], known) is known
    assert F.with_same_shape(tf.zeros([2, 3]), known) is known
    with pytest.raises(ValueError, match="Invalid shape"):
        F.with_shape([2], known)
    with pytest.raises(ValueError, match="dense"):
        F.with_shape([2], tf.sparse.from_dense([1.0, 2.0]))


def test_reduce_sum_n_and_squeezed():
    assert _run(F.reduce_sum_n([tf.constant([1.0, 2.0]), tf.constant(3.0)])) == 6
    with pytest.raises(ValueError, match="at least one"):
        F.reduce_sum_n([])
    predictions, labels = F.remove_squeezable_dimensions(tf.ones([2]), tf.ones([2, 1]))
    assert predictions.shape.as_list() == labels.shape.as_list() == [2]


def test_nested_py_func():
    made = F.py_func(
        lambda a, b=0: {"sum": np.float32(a["x"] + b), "both": [a["x"], a["x"]]},
        ({"x": tf.constant(1.0)},),
        {"b": tf.constant(2.0)},
        {"sum": tf.float32, "both": [tf.float32, tf.float32]},
        {"sum": [], "both": [[], None]},
    )
    assert made["sum"].shape.as_list() == []
    assert _run(made) == {"sum": 3.0, "both": [1.0, 1.0]}
    with pytest.raises(TypeError, match="dictionary"):
        F.py_func(lambda: 1, kwargs=[1])


def test_zero_initializer_and_global_step():
    variable = tf.get_variable("v", [2], initializer=tf.ones_initializer())
    zero = F.zero_initializer(variable)
    with tf.Session() as session:
        session.run(zero)
        np.testing.assert_array_equal(session.run(variable), [0, 0])
        with pytest.raises(tf.errors.InvalidArgumentError, match="already initialized"):
            session.run(zero)
    step = F.assert_or_get_global_step()
    assert step is tf.train.get_global_step()
    with pytest.raises(TypeError):
        F.assert_or_get_global_step(global_step_tensor=tf.constant(1.0))


def test_devices_and_graphs():
    choose = F.VariableDeviceChooser(num_tasks=2)
    assert [choose(None) for _ in range(3)] == [f"/job:ps/task:{i}/device:CPU:0" for i in (0, 1, 0)]
    fed = tf.placeholder(tf.float32)
    assert F.get_placeholders(tf.get_default_graph()) == [fed]
    assert F.get_graph_from_inputs([fed]) is tf.get_default_graph()


def test_fuse_op():
    a = tf.placeholder(tf.float32, name="a")
    tf.identity(tf.multiply(tf.add(a, 1.0, name="b"), 2.0, name="c"), name="d")
    whole = tf.get_default_graph().as_graph_def()
    fused = F.fuse_op(whole, ["a"], ["c"], [tf.float32], False, "both", "Both")
    assert [(n.name, list(n.input)) for n in fused.node] == [("a", []), ("both", ["a"]), ("d", ["both"])]
    with pytest.raises(ValueError, match="must be in the graph"):
        F.fuse_op(whole, ["q"], ["c"], [], False, "both", "Both")


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_orthogonal_convolutions(rank):
    """The kernel keeps the length of a periodic signal."""
    kind = getattr(F, f"convolutional_orthogonal_{rank}d")
    kernel = _run(kind(seed=3)([3] * rank + [2, 4]))
    axes, size = tuple(range(rank)), [8] * rank
    spectrum = np.fft.fftn(kernel, size, axes).reshape(-1, 2, 4)
    np.testing.assert_allclose(
        spectrum @ spectrum.conj().swapaxes(1, 2), [np.eye(2)] * len(spectrum), atol=1e-5
    )
    with pytest.raises(ValueError, match="In_filters"):
        kind()([3] * rank + [4, 2])


def test_delta_orthogonal():
    kernel = _run(F.convolutional_delta_orthogonal(2.0, seed=3)([3, 3, 2, 4]))
    np.testing.assert_allclose(kernel[1, 1] @ kernel[1, 1].T, 4 * np.eye(2), atol=1e-5)
    assert np.count_nonzero(kernel) == 8


def test_nest_by_depth():
    nest = F.nest
    tree = {"b": [1, (2, 3)], "a": 4}
    assert nest.flatten_up_to({"a": 0, "b": [0, 0]}, tree) == [4, 1, (2, 3)]
    assert nest.flatten_with_joined_string_paths(tree)[2] == ("b/1/0", 2)
    assert nest.map_structure_up_to([0, 0], lambda a, b: (a, b), [1, [2]], [[3], 4]) == [(1, [3]), ([2], 4)]
    assert nest.get_traverse_shallow_structure(lambda s: isinstance(s, dict), tree) == {
        "a": False,
        "b": False,
    }
    assert nest.flatten_dict_items({(4, (5,)): ("x", ["y"])}) == {4: "x", 5: "y"}
    with pytest.raises(TypeError):
        nest.flatten_up_to({"a": 0, "b": (0, 0)}, tree)
    with pytest.raises(ValueError, match="keys"):
        nest.flatten_up_to({"a": 0, "c": 0}, tree)
