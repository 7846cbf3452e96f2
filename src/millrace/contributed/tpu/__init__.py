"""`tf.contrib.tpu`: programs written for tensor processors, run as 1.15 runs them without one."""
