"""`tf.keras.metrics`: figures that are collected over the batches of an epoch."""
