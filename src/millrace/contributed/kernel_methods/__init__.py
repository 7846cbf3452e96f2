"""`tf.contrib.kernel_methods`: explicit kernel maps and a hinge loss."""
