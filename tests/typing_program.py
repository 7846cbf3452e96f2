"""A user's program under a type checker: public names have types that say something.

mypy reads this file; pytest does not collect it.
"""

from typing import assert_type

import numpy as np

import millrace as tf

weights = tf.get_variable("w", [2, 3], tf.float32)
assert_type(weights, tf.Variable)
product = tf.matmul(tf.ones([1, 2]), weights)
assert_type(product, tf.Tensor)
step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(product))
assert_type(step, tf.Operation)
graph = tf.get_default_graph()
assert_type(graph, tf.Graph)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(step, {product: np.zeros([1, 3], np.float32)})
