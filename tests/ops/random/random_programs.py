"""Small programs that draw random numbers; each gets `tf` and returns what to fetch.

Their results under TensorFlow 1.15, over two runs of one session, are in `random_golden.npz`.
"""

X = [[0.1, 0.2, 0.7, -1.0], [1.0, -1.0, 0.0, 3.0]]


def seeded(seed, draw):
    """The same draw under a graph seed."""

    def program(tf):
        tf.set_random_seed(seed)
        return draw(tf)

    return program


EXACT = {
    "uniform": lambda tf: tf.random_uniform([5, 3], seed=1),
    "uniform_range": lambda tf: tf.random_uniform([7], -3.0, 2.0, seed=42),
    "uniform_half": lambda tf: tf.random_uniform([6], dtype=tf.float16, seed=1),
    "uniform_double": lambda tf: tf.random_uniform([6], dtype=tf.float64, seed=-1),
    "uniform_scalar": lambda tf: tf.random_uniform([], seed=5),
    "uniform_empty": lambda tf: tf.random_uniform([0, 3], seed=5),
    "uniform_int32": lambda tf: tf.random_uniform([9], 0, 1000, tf.int32, seed=1),
    "uniform_int64": lambda tf: tf.random_uniform([9], -5, 2**40, tf.int64, seed=1),
    "graph_seed": seeded(
        5, lambda tf: [tf.random_uniform([3]), tf.random_uniform([3]), tf.random_uniform([2], seed=8)]
    ),
    "graph_seed_zero": seeded(0, lambda tf: tf.random_uniform([3], seed=0)),
    "graph_seed_after": seeded(7, lambda tf: [tf.constant(1.0), tf.random_uniform([3])]),
    "same_seed": lambda tf: [tf.random_uniform([3], seed=1), tf.random_uniform([3], seed=1)],
    "shuffle": lambda tf: tf.random_shuffle(list(range(10)), seed=1),
    "shuffle_rows": lambda tf: tf.random_shuffle([[1, 2], [3, 4], [5, 6]], seed=3),
    "multinomial": lambda tf: tf.multinomial(X, 6, seed=42),
    "categorical": lambda tf: tf.random.categorical(X, 3, dtype=tf.int32, seed=4),
    "crop": lambda tf: tf.random_crop(
        [[float(10 * i + j) for j in range(6)] for i in range(5)], [2, 3], seed=5
    ),
    "poisson": lambda tf: tf.random_poisson([0.5, 5.0, 30.0], [4], seed=1),
    "poisson_int": lambda tf: tf.random_poisson(7.0, [4], tf.int32, seed=2),
    "stateless_uniform": lambda tf: tf.random.stateless_uniform([5], [1, 2], -1.0, 1.0),
    "stateless_int": lambda tf: tf.random.stateless_uniform([5], [1, 2], 0, 100, tf.int32),
    "stateless_categorical": lambda tf: tf.random.stateless_categorical(X, 5, [1, 2]),
}

CLOSE = {
    "normal": lambda tf: tf.random_normal([5, 3], 2.0, 0.5, seed=1),
    "normal_double": lambda tf: tf.random_normal([6], dtype=tf.float64, seed=42),
    "normal_graph_seed": seeded(5, lambda tf: tf.random_normal([2])),
    "truncated": lambda tf: tf.truncated_normal([5, 3], seed=42),
    "truncated_double": lambda tf: tf.truncated_normal([6], 1.0, 2.0, tf.float64, seed=42),
    "gamma": lambda tf: tf.random_gamma([4], [0.5, 1.0, 3.0], seed=1),
    "gamma_beta": lambda tf: tf.random_gamma([3, 2], [[0.4], [2.0]], [2.0, 4.0], tf.float64, seed=5),
    "stateless_normal": lambda tf: tf.random.stateless_normal([5], [3, 4], 1.0, 2.0),
    "stateless_truncated": lambda tf: tf.random.stateless_truncated_normal([5], [3, 4]),
}

GRAPHS = {
    "uniform": lambda tf: tf.random_uniform([2, 3]),
    "uniform_named": seeded(7, lambda tf: tf.random_uniform([2, 3], seed=3, name="u")),
    "uniform_int": seeded(7, lambda tf: tf.random_uniform((2,), 0, 5, tf.int32)),
    "uniform_shape_tensor": seeded(
        7, lambda tf: tf.random_uniform(tf.placeholder(tf.int64, [2]), 0, 5, tf.int64)
    ),
    "uniform_packed": lambda tf: tf.random_uniform((2, tf.constant(3))),
    "normal": seeded(7, lambda tf: tf.random_normal([2], 1.0, 2.0)),
    "truncated": seeded(7, lambda tf: tf.truncated_normal([2])),
    "shuffle": seeded(7, lambda tf: tf.random_shuffle([1, 2])),
    "multinomial": seeded(7, lambda tf: tf.multinomial([[1.0, 2.0]], 4)),
    "categorical": seeded(7, lambda tf: tf.random.categorical([[1.0, 2.0]], 4)),
    "gamma": seeded(7, lambda tf: tf.random_gamma([3], [1.0, 2.0])),
    "poisson": seeded(7, lambda tf: tf.random_poisson([1.0, 2.0], [3])),
    "crop": seeded(7, lambda tf: tf.random_crop(tf.zeros([5, 5, 3]), [2, 2, 3])),
    "crop_unknown": seeded(7, lambda tf: tf.random_crop(tf.placeholder(tf.float32), [2, 2, 3], name="c")),
    "stateless_uniform": lambda tf: tf.random.stateless_uniform([3], [1, 2]),
    "stateless_int": lambda tf: tf.random.stateless_uniform([3], [1, 2], 0, 5, tf.int32),
    "stateless_normal": lambda tf: tf.random.stateless_normal([3], [1, 2]),
    "stateless_multinomial": lambda tf: tf.random.stateless_multinomial([[1.0, 2.0]], 3, [1, 2]),
}
