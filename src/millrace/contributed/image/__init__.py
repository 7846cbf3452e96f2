"""`tf.contrib.image`: splines and warps."""
