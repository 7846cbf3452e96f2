"""`tf.contrib.layers` and what `tf.contrib.slim` shares with it."""
