"""`tf.contrib.mixed_precision`: losses scaled up so that small gradients survive in half precision."""
