"""`tf.keras.layers`: the layers, by subject."""
