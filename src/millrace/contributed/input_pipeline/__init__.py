"""`tf.contrib.input_pipeline`: elements of a list, one after the other."""
