"""A canned DNNClassifier that trains for 1,000 steps, its first one included.

python benchmarks/canned.py [MODULE]
"""

import tempfile

import measure
import numpy as np

STEPS = 1000


def train(tf, folder, examples=2000, batch=32):
    """Two hidden layers over ten numbers and an indicator of four categories; Adagrad."""
    rng = np.random.RandomState(0)
    numbers = rng.randn(examples, 10).astype(np.float32)
    kinds = np.array(["a", "b", "c", "d"])[rng.randint(0, 4, examples)]
    labels = (numbers[:, :3].sum(1) > 0).astype(np.int64) + (kinds == "a")
    column = tf.feature_column
    columns = [
        column.numeric_column("x", 10),
        column.indicator_column(column.categorical_column_with_vocabulary_list("k", ["a", "b", "c", "d"])),
    ]

    def input_fn():
        data = tf.data.Dataset.from_tensor_slices(({"x": numbers, "k": kinds}, labels))
        return data.shuffle(examples, seed=1).repeat().batch(batch)

    config = tf.estimator.RunConfig(tf_random_seed=1)
    model = tf.estimator.DNNClassifier([64, 32], columns, folder, n_classes=3, config=config)
    model.train(input_fn, steps=STEPS)


if __name__ == "__main__":
    tf, _ = measure.load()
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure.timed(lambda: train(tf, folder))
    measure.report("canned", train_s=seconds)
