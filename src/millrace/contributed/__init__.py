"""`tf.contrib`: what was tried out beside the core."""
