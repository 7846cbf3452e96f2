"""`tf.function`: Python functions that are drawn once for each kind of arguments, and then called."""
