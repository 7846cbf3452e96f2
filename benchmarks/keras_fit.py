"""`fit` of small models of Keras: a convolutional network for pictures, an LSTM for texts, a dense one.

python benchmarks/keras_fit.py [MODULE [NAME ...]]

Figures: seconds of the first epoch, compiling included; microseconds of a batch of a later epoch; megabytes
that the process has grown by; the loss of the first epoch.
"""

import resource
import sys

import measure
import numpy as np

RNG = np.random.RandomState(0)


def megabytes():
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fitted(name, model, x, y, size, seconds=8.0):
    """Reports the first epoch and later ones."""
    before, losses = megabytes(), []

    def epoch():
        losses.append(model.fit(x, y, batch_size=size, epochs=1, verbose=0, shuffle=False).history["loss"][0])

    first = measure.timed(epoch)
    again = measure.warm(epoch, seconds, least=3)
    measure.report(
        name,
        first_epoch_s=first,
        batch_us=again * 1e6 * size / len(x),
        megabytes=megabytes() - before,
        loss=float(losses[0]),
    )


def cnn(tf):
    """Three convolutions with normalization and pools, dropout, batches of 32 pictures of 32 x 32."""
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Conv2D(16, 3, activation="relu", input_shape=(32, 32, 3))])
    for filters in (32, 32):
        model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D())
        model.add(layers.Conv2D(filters, 3, activation="relu"))
    for layer in (layers.Flatten(), layers.Dropout(0.3), layers.Dense(64, activation="relu")):
        model.add(layer)
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fitted("keras cnn", model, RNG.rand(1280, 32, 32, 3).astype("f"), RNG.randint(0, 10, 1280), 32)


def text(tf):
    """Words embedded in 32 numbers, an LSTM of 64, batches of 32 texts of 60 words."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Embedding(2000, 32, input_length=60),
            layers.LSTM(64),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    fitted("keras text", model, RNG.randint(1, 2000, (640, 60)), RNG.randint(0, 2, 640), 32)


def masked(tf):
    """As `text`, in both directions, with a mask for words that are not there."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Embedding(2000, 32, input_length=60, mask_zero=True),
            layers.Bidirectional(layers.LSTM(32)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    fitted("keras masked", model, RNG.randint(0, 2000, (640, 60)), RNG.randint(0, 2, 640), 32)


def dense(tf):
    """100-128-128-10, batches of 64."""
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Dense(128, activation="relu", input_shape=(100,))])
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fitted("keras dense", model, RNG.rand(6400, 100).astype("f"), RNG.randint(0, 10, 6400), 64, 4.0)


def main():
    tf, _ = measure.load()
    programs = {f.__name__: f for f in (dense, cnn, text, masked)}
    for name in sys.argv[2:] or programs:
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            programs[name](tf)


if __name__ == "__main__":
    main()
