"""A network of two dense layers that reads digits: placeholders, feed_dict, Adam.

Usage: millrace run mlp.py --steps 300 --batch_size 100
"""

import digits
import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_integer("steps", 300, "how many batches to train on")
flags.DEFINE_integer("batch_size", 100, "pictures in a batch")
flags.DEFINE_float("learning_rate", 2e-3, "Adam's")
FLAGS = flags.FLAGS


def dense(x, size, name, activation=None):
    with tf.variable_scope(name):
        width = x.get_shape().as_list()[1]
        w = tf.get_variable("w", [width, size], initializer=tf.glorot_uniform_initializer(seed=1))
        b = tf.get_variable("b", [size], initializer=tf.zeros_initializer())
        y = tf.nn.xw_plus_b(x, w, b)
        return activation(y) if activation else y


def main(_):
    images, labels = digits.load(1500)
    images = images.reshape(-1, 784)
    train_images, test_images = images[:1200], images[1200:]
    train_labels, test_labels = labels[:1200], labels[1200:]

    tf.set_random_seed(1)
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    y = tf.placeholder(tf.int32, [None], name="y")
    keep = tf.placeholder_with_default(1.0, [], name="keep")
    hidden = tf.nn.dropout(dense(x, 128, "hidden", tf.nn.relu), keep_prob=keep)
    logits = dense(hidden, 10, "logits")

    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
    weights = [v for v in tf.trainable_variables() if v.op.name.endswith("/w")]
    loss = tf.reduce_mean(losses) + 1e-4 * tf.add_n([tf.nn.l2_loss(w) for w in weights])
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), y)
    accuracy = tf.reduce_mean(tf.cast(right, tf.float32))

    global_step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(FLAGS.learning_rate, global_step, 100, 0.8)
    train_op = tf.train.AdamOptimizer(rate).minimize(loss, global_step=global_step)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        rng = np.random.RandomState(2)
        for _ in range(FLAGS.steps):
            rows = rng.randint(0, len(train_images), FLAGS.batch_size)
            feed = {x: train_images[rows], y: train_labels[rows], keep: 0.8}
            _, value, step = sess.run([train_op, loss, global_step], feed_dict=feed)
            if step % 50 == 0 or step == 1:
                seen = sess.run(accuracy, feed_dict={x: test_images, y: test_labels})
                print(f"step {step:4}: loss {value:.3f}, {100 * seen:.1f} % of unseen digits right")


if __name__ == "__main__":
    tf.app.run()
