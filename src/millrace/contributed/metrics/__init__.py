"""`tf.contrib.metrics`: the metrics as they were called before `tf.metrics`, and those it never had."""
