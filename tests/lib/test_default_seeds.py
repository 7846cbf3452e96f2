"""Programs with `tf.set_random_seed(1)` start from TensorFlow 1.15's own weights, with its dropout masks."""

import pytest

import millrace as tf
from lib.golden_programs import check, programs


@pytest.mark.parametrize("program", programs("seeded"))
def test_starts_as_tensorflow(program):
    check(program)


def test_operations_that_are_counted_but_not_built():
    graph = tf.Graph()
    graph.seed = 7
    with graph.as_default():
        graph.count(5)
        first = tf.random_uniform([1])
        with graph.counted_as(2):
            tf.constant(1)
            tf.constant(2)
            tf.constant(3)
        second = tf.random_uniform([1])

    def seed_of(tensor):
        return next(
            op for op in graph.get_operations() if op.name == tensor.op.name + "/RandomUniform"
        ).get_attr("seed2")

    # The operations of the first draw, those that count as two, and those of the second before it draws.
    between = len([op for op in graph.get_operations() if op.name.startswith("random_uniform/")]) + 1
    assert seed_of(second) - seed_of(first) == between + 2


@pytest.mark.parametrize("build", [lambda i, x: [x, x], lambda i, x: x * 2])
def test_a_switch_counts_as_one_operation_and_its_results(build):
    with tf.Graph().as_default() as graph:
        index, x = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [2])
        before = graph.last_id
        result = tf.switch_case(index, [lambda: build(index, x), lambda: build(index, x)])
        assert graph.last_id - before == 1 + len(tf.nest.flatten(result))


def test_structural_similarity_counts_as_in_1_15():
    with tf.Graph().as_default() as graph:
        images = [tf.placeholder(tf.float32, [2, 16, 16, 1]) for _ in range(2)]
        before = graph.last_id
        tf.image.ssim(*images, 1.0)
        assert graph.last_id - before == 210
