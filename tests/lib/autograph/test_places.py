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
