"""`tf.metrics`: running statistics of a model's answers."""
