"""`tf.contrib.learn`: the older estimators, their configuration, and words and categories as numbers."""
