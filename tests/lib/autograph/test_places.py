"""Where functions are converted without being asked for: datasets and layers."""

import subprocess
import sys

import numpy as np
import pytest

import millrace as tf


def elements(dataset):
    following = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
    found = []
    with tf.Session() as session:
        while True:
            try:
                found.append(session.run(following).tolist())
            except tf.errors.OutOfRangeError:
                return found


def test_a_dataset_maps_filters_and_reduces():
    def halved_or_tripled(x):
        if x % 2 < 1:
            return x // 2
        return 3 * x

    def small(x):
        return x < 5 or x > 12

    def most(state, x):
        if x > state:
            state = x
        return state

    with tf.Graph().as_default():
        dataset = tf.data.Dataset.range(6).map(halved_or_tripled)
        assert elements(dataset) == [0, 3, 1, 9, 2, 15]
        assert elements(dataset.filter(small)) == [0, 3, 1, 2, 15]
        top = dataset.reduce(np.int64(0), most)
        with tf.Session() as session:
            assert session.run(top) == 15


def test_branches_that_give_datasets():
    def several(x):
        if x > 2:
            return tf.data.Dataset.range(x)
        return tf.data.Dataset.range(1)

    with tf.Graph().as_default():
        assert elements(tf.data.Dataset.range(5).flat_map(several)) == [0, 0, 0, 0, 1, 2, 0, 1, 2, 3]


def test_reads_in_a_dataset_see_the_writes_before_them():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", [], tf.int64, tf.zeros_initializer(), use_resource=True)

        def counted(x):
            if x > 1:
                v.assign_add(x)
            return v.read_value()

        iterator = tf.compat.v1.data.make_initializable_iterator(tf.data.Dataset.range(4).map(counted))
        following = iterator.get_next()
        session.run([v.initializer, iterator.initializer])
        assert [session.run(following) for _ in range(4)] == [0, 0, 2, 5]


def test_default_seeds_are_those_of_1_15():
    def branched(x):
        if x > 1:
            r = tf.random_uniform([])
        else:
            r = tf.random_uniform([]) + 1.0 + tf.cast(x, tf.float32) + tf.random_uniform([])
        return r, tf.random_uniform([])

    def looped(x):
        r = tf.constant(0.0)
        y = x * 2
        while r < tf.cast(y, tf.float32):
            r += tf.random_uniform([]) * tf.cast(x, tf.float32)
        return r, tf.random_uniform([])

    def over_rows(x):
        s = x * 0
        for i in tf.range(x):
            s += i
        for i in tf.constant([1, 2]):
            s += tf.cast(i, tf.int64)
        return s, tf.random_uniform([])

    wanted = {branched: [3, 3, 15, 8], looped: [7, 15], over_rows: [35]}
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        for function, seeds in wanted.items():
            graph = tf.function(function).get_concrete_function(tf.TensorSpec([], tf.int64)).graph
            found = [op.get_attr("seed2") for op in graph.get_operations() if op.type == "RandomUniform"]
            assert found == seeds


def test_a_lambda_that_calls_a_function_that_branches():
    def clipped(x):
        return x if x < 3 else tf.constant(3, tf.int64)

    with tf.Graph().as_default():
        assert elements(tf.data.Dataset.range(5).map(lambda x: clipped(x) + 1)) == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("base", [tf.keras.layers.Layer, tf.layers.Layer, tf.keras.Model])
def test_a_layer_with_a_loop(base):
    class Power(base):
        def call(self, inputs):
            x, n = inputs
            y = tf.ones_like(x)
            for _ in tf.range(n):
                y = y * x
            if tf.reduce_sum(y) > 50.0:
                y = -y
            return y

    with tf.Graph().as_default(), tf.Session() as session:
        x, n = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.int32, [])
        y = Power()([x, n])
        assert session.run(y, {x: [1.0, 2.0], n: 3}).tolist() == [1.0, 8.0]
        assert session.run(y, {x: [1.0, 2.0], n: 7}).tolist() == [-1.0, -128.0]


def test_a_lambda_layer_is_left_as_it_is():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="Python bool"):
        tf.keras.layers.Lambda(lambda x: x if x > 0 else -x)(tf.placeholder(tf.float32, []))


def test_do_not_convert():
    @tf.autograph.experimental.do_not_convert
    def branching(x):
        if x > 0:
            return x
        return -x

    with tf.Graph().as_default(), pytest.raises(TypeError, match="Python bool"):
        tf.data.Dataset.range(3).map(branching)


def test_simple_functions_do_not_load_the_converter():
    program = (
        "import sys, millrace as tf\n"
        "d = tf.data.Dataset.range(3).map(lambda x: (tf.cast(x, tf.float32) / 255., x))\n"
        "d = d.filter(lambda a, b: b > 0)\n"
        "assert 'millrace.lib.autograph.operators' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
