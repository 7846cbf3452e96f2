"""`tf.contrib.memory_stats`: how much memory a device has and uses."""
