"""Words as vectors: a skip-gram model with noise-contrastive estimation; sparse gradients into an embedding.

Usage: millrace run word2vec.py [STEPS]
"""

import sys

import numpy as np
import tensorflow as tf

# Sentences are made up from groups of words that can replace each other.
GROUPS = {
    "who": ["miller", "baker", "farmer", "smith", "weaver"],
    "does": ["lifts", "carries", "weighs", "sells"],
    "many": ["two", "three", "four", "seven", "nine"],
    "what": ["sacks", "loaves", "barrels", "baskets"],
    "when": ["today", "tonight", "tomorrow"],
}
WORDS = [w for group in GROUPS.values() for w in group]
CODES = {w: i for i, w in enumerate(WORDS)}
GROUP_OF = {CODES[w]: name for name, words in GROUPS.items() for w in words}


def sentences(count, rng):
    order = list(GROUPS.values())
    return np.array([[CODES[words[rng.randint(len(words))]] for words in order] for _ in range(count)])


def pairs(text, rng, size):
    """(centres [size], neighbours [size, 1])."""
    rows = text[rng.randint(0, len(text), size)]
    at = rng.randint(1, text.shape[1] - 1, size)
    beside = at + rng.choice([-1, 1], size)
    picked = np.arange(size)
    swap = rng.rand(size) < 0.5  # words at the ends are centres as well
    centre, other = np.where(swap, beside, at), np.where(swap, at, beside)
    return rows[picked, centre], rows[picked, other][:, None]


def main(steps, depth=16):
    rng = np.random.RandomState(7)
    text = sentences(2000, rng)
    tf.set_random_seed(8)

    centres = tf.placeholder(tf.int32, [None], name="centres")
    neighbours = tf.placeholder(tf.int64, [None, 1], name="neighbours")
    table = tf.Variable(tf.random_uniform([len(WORDS), depth], -0.5, 0.5, seed=9), name="table")
    nce_w = tf.Variable(tf.truncated_normal([len(WORDS), depth], stddev=depth**-0.5, seed=10), name="nce_w")
    nce_b = tf.Variable(tf.zeros([len(WORDS)]), name="nce_b")
    loss = tf.reduce_mean(
        tf.nn.nce_loss(
            weights=nce_w,
            biases=nce_b,
            labels=neighbours,
            inputs=tf.nn.embedding_lookup(table, centres),
            num_sampled=6,
            num_classes=len(WORDS),
        )
    )
    gradient = tf.gradients(loss, table)[0]
    print(f"the gradient of the table is {type(gradient).__name__}: only the rows that were looked up")
    train_op = tf.train.AdagradOptimizer(0.5).minimize(loss)

    unit = tf.nn.l2_normalize(table, 1)
    alike = tf.matmul(unit, unit, transpose_b=True)
    _, nearest = tf.nn.top_k(alike - 2.0 * tf.eye(len(WORDS)), k=3)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(1, steps + 1):
            centre, beside = pairs(text, rng, 128)
            _, value = sess.run([train_op, loss], feed_dict={centres: centre, neighbours: beside})
            if i % 200 == 0 or i == 1:
                print(f"step {i:4}: loss {value:.3f}")
        found = sess.run(nearest)
    for word in ("baker", "three", "loaves"):
        print(f"near {word + ':':7} {', '.join(WORDS[i] for i in found[CODES[word]])}")
    same = np.mean([GROUP_OF[i] == GROUP_OF[n] for i in range(len(WORDS)) for n in found[i][:2]])
    print(f"{100 * same:.0f} % of the nearest two words belong to the same group")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
