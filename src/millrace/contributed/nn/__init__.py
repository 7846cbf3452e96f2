"""`tf.contrib.nn`: dropout for SELU, and functions of logits."""
