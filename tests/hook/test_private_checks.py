"""Private functions about losses, images, gradients and GraphDefs; outcomes are those of 1.15.5."""

import importlib

import numpy as np
import pytest

import millrace as tf


def _of(module):
    return importlib.import_module(f"millrace.python.{module}")


def _types():
    return [op.type for op in tf.get_default_graph().get_operations()]


def test_what_losses_count():
    of = _of("ops.losses.losses_impl")
    losses = tf.constant([[1.0, 2.0, 3.0]] * 2)
    given = [2.0, 0.0, [[1.0], [0.0]], [[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]
    counts = [of._num_present(losses, weights) for weights in given]
    each = of._num_present(losses, [[1.0], [0.0]], per_batch=True)
    with tf.Session() as sess:
        assert sess.run(counts) == [6, 0, 3, 3] and sess.run(each).tolist() == [[3], [0]]
        assert sess.run([of._safe_mean(losses, 0.0), of._safe_mean(losses, 4.0)]) == [0, 3]
        assert sess.run(of._num_elements(losses)) == 6


def test_images_are_looked_at():
    of = _of("ops.image_ops_impl")
    open_image, image = tf.placeholder(tf.float32, [None, 3, 4]), tf.ones([2, 3, 4])
    assert of._Check3DImage(image) == [] and of._ImageDimensions(image, 3) == [2, 3, 4]
    assert [type(n).__name__ for n in of._ImageDimensions(open_image, 3)] == ["Tensor", "int", "int"]
    assert [op.type for op in of._Check3DImage(open_image, require_static=False)] == ["Assert"]
    anything = tf.placeholder(tf.float32)
    assert len(of._CheckAtLeast3DImage(anything, require_static=False)) == 2
    grey = tf.placeholder(tf.float32, [2, 3, None])
    assert len(of._CheckGrayscaleImage(grey, require_static=False)) == 2
    assert of._Assert3DImage(image).op.type == "Identity"
    assert of.fix_image_flip_shape(image, anything).shape.as_list() == [2, 3, 4]
    assert [of._is_tensor(x) for x in (image, tf.Variable(1), 3)] == [True, True, False]
    assert (
        of._assert(True, ValueError, "no") == [] and len(of._assert(tf.constant(True), ValueError, "no")) == 1
    )


@pytest.mark.parametrize(
    ("name", "shape", "why"),
    [
        ("_Check3DImage", [None, 3, 4], r"'image' \(shape \(\?, 3, 4\)\) must be fully defined"),
        ("_Check3DImage", [2, 3], r"'image' \(shape \(2, 3\)\) must be three-dimensional"),
        ("_Check3DImage", [0, 3, 1], r"all dims of 'image.shape' must be > 0: \(0, 3, 1\)"),
        ("_CheckAtLeast3DImage", None, "'image' must be fully defined"),
        ("_CheckAtLeast3DImage", [2], "'image' must be at least three-dimensional"),
        ("_CheckAtLeast3DImage", [1, 0, 2, 3], "all dims of 'image.shape' must be > 0"),
        ("_CheckGrayscaleImage", [2, 3, 3], "Last dimension of a grayscale image should be size 1"),
        ("_CheckGrayscaleImage", [2, 3, None], "'image' must be fully defined"),
        ("_CheckGrayscaleImage", [2], "A grayscale image must be at least two-dimensional"),
    ],
)
def test_what_is_no_image_is_refused(name, shape, why):
    with pytest.raises(ValueError, match=why):
        getattr(_of("ops.image_ops_impl"), name)(tf.placeholder(tf.float32, shape))


def test_second_derivatives_times_a_vector():
    x = tf.constant([1.0, 2.0])
    product = _of("ops.gradients_impl")._hessian_vector_product(
        [tf.reduce_sum(x * x * x)], [x], [tf.ones([2])]
    )
    with tf.Session() as sess:
        assert sess.run(product)[0].tolist() == [6, 12]


def test_a_graphdef_by_names():
    of = _of("framework.graph_util_impl")
    a = tf.constant(1.0, name="a")
    b = tf.add(a, 2.0, name="b")
    with tf.control_dependencies([a]):
        tf.identity(b, name="c")
    taken, nodes, places = of._extract_graph_summary(tf.get_default_graph().as_graph_def())
    assert taken == {"a": [], "b/y": [], "b": ["a", "b/y"], "c": ["b", "a"]}
    assert sorted(nodes) == ["a", "b", "b/y", "c"] and places == {"a": 0, "b/y": 1, "b": 2, "c": 3}
    assert of._bfs_for_reachable_nodes(["b"], taken) == {"a", "b", "b/y"}
    assert [of._node_name(name) for name in ("^a", "a:0", "a")] == ["a"] * 3
    with pytest.raises(AssertionError, match="z is not in graph"):
        of._assert_nodes_are_present(nodes, ["z"])


def test_kernels_and_windows():
    of = _of("keras.utils.conv_utils")
    kernel = np.arange(18).reshape(3, 3, 2, 1)
    assert of.convert_kernel(kernel)[:, :, 0, 0].tolist() == [[16, 14, 12], [10, 8, 6], [4, 2, 0]]
    assert of.conv_output_shape((4, 5), (2, 3), (1, 2), "valid") == (3, 2)
    with pytest.raises(ValueError, match="Invalid kernel shape"):
        of.convert_kernel(np.ones([2]))


def test_paths_beside_a_checkpoint():
    of = _of("training.checkpoint_management")
    assert of.meta_graph_filename("a/m-3") == "a/m-3.meta"
    assert of.meta_graph_filename("a/m-?????-of-00001") == "a/m.meta"
