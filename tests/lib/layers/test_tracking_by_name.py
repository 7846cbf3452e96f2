"""Layers that wrappers track by a name."""

import millrace as tf


def test_a_layer_tracked_by_name_counts_among_the_weights():
    outer, inner = tf.keras.layers.Layer(), tf.keras.layers.Dense(2)
    inner.build((None, 3))
    assert outer._track_trackable(inner, name="layer") is inner
    outer._track_trackable(tf.keras.layers.Dense(1), name="layer")
    assert len(outer.weights) == 2
