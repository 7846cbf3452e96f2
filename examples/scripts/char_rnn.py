"""A recurrent network that learns to spell: a GRU in a while_loop, gradients through it, sampling from it.

Usage: millrace run char_rnn.py [STEPS]
"""

import sys

import numpy as np
import tensorflow as tf

TEXT = (
    "the mill stands by the water and the water turns the wheel. the wheel turns the stone and the stone "
    "grinds the grain. the miller fills the sacks and the cart takes the sacks to the town. in the town the "
    "baker bakes the bread and the bread goes to the table. the table stands by the window and from the "
    "window you see the water that turns the wheel. "
) * 4
LETTERS = sorted(set(TEXT))
WIDTH, LENGTH, BATCH = 64, 40, 32


class Gru:
    """One cell: next state from (state, input)."""

    def __init__(self, inputs, width):
        init = tf.glorot_uniform_initializer(seed=3)
        self.gates = tf.get_variable("gates", [inputs + width, 2 * width], initializer=init)
        self.gates_b = tf.get_variable("gates_b", [2 * width], initializer=tf.ones_initializer())
        self.new = tf.get_variable("new", [inputs + width, width], initializer=init)
        self.new_b = tf.get_variable("new_b", [width], initializer=tf.zeros_initializer())

    def __call__(self, state, x):
        gates = tf.sigmoid(tf.matmul(tf.concat([x, state], 1), self.gates) + self.gates_b)
        reset, update = tf.split(gates, 2, axis=1)
        new = tf.tanh(tf.matmul(tf.concat([x, reset * state], 1), self.new) + self.new_b)
        return update * state + (1.0 - update) * new


def unroll(cell, inputs):
    """The states of a run over inputs [time, batch, depth], as [time, batch, width]."""
    length, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
    read = tf.TensorArray(tf.float32, length).unstack(inputs)
    states = tf.TensorArray(tf.float32, length)

    def body(t, state, states):
        state = cell(state, read.read(t))
        return t + 1, state, states.write(t, state)

    start = (tf.constant(0), tf.zeros([batch, WIDTH]), states)
    shapes = (tf.TensorShape([]), tf.TensorShape([None, WIDTH]), tf.TensorShape(None))
    _, _, states = tf.while_loop(lambda t, *_: t < length, body, start, shape_invariants=shapes)
    return states.stack()


def main(steps):
    tf.set_random_seed(4)
    codes = np.array([LETTERS.index(c) for c in TEXT], np.int32)
    ids = tf.placeholder(tf.int32, [None, None], name="ids")  # [batch, time + 1]
    with tf.variable_scope("rnn"):
        cell = Gru(len(LETTERS), WIDTH)
        w = tf.get_variable("w", [WIDTH, len(LETTERS)], initializer=tf.glorot_uniform_initializer(seed=5))

    letters = tf.transpose(tf.one_hot(ids, len(LETTERS)), [1, 0, 2])
    states = unroll(cell, letters[:-1])
    logits = tf.tensordot(states, w, axes=1)
    losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.stop_gradient(letters[1:]), logits=logits)
    loss = tf.reduce_mean(losses)

    optimizer = tf.train.AdamOptimizer(0.01)
    grads, variables = zip(*optimizer.compute_gradients(loss))
    clipped, norm = tf.clip_by_global_norm(grads, 5.0)
    train_op = optimizer.apply_gradients(list(zip(clipped, variables)))

    # Sampling: the most likely next letter, again and again, in a loop of its own.
    def spell(state, letter, out, n):
        state = cell(state, tf.one_hot(letter, len(LETTERS)))
        letter = tf.argmax(tf.matmul(state, w), 1, output_type=tf.int32)
        return state, letter, out.write(n, letter), n + 1

    first = tf.placeholder(tf.int32, [1], name="first")
    out = tf.TensorArray(tf.int32, 0, dynamic_size=True, clear_after_read=False)
    start = (tf.zeros([1, WIDTH]), first, out, tf.constant(0))
    spelled = tf.while_loop(lambda s, c, o, n: n < 60, spell, start)[2].stack()

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        rng = np.random.RandomState(6)
        for i in range(1, steps + 1):
            places = rng.randint(0, len(codes) - LENGTH - 1, BATCH)
            batch = np.stack([codes[p : p + LENGTH + 1] for p in places])
            _, value, size = sess.run([train_op, loss, norm], {ids: batch})
            if i % 50 == 0 or i == 1:
                print(f"step {i:3}: loss {value:.3f}, gradient norm {size:.2f}")
        told = sess.run(spelled, {first: [LETTERS.index("t")]})
        print("t" + "".join(LETTERS[c] for c in told[:, 0]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
