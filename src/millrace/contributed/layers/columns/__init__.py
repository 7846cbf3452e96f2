"""Feature columns of `tf.contrib.layers`, older than those of `tf.feature_column`."""
