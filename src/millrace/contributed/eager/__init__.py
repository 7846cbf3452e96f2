"""`tf.contrib.eager`, as far as graphs and sessions answer it."""
