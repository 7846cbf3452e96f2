"""`tf.contrib.learn`: the older estimators' configuration, and words and categories as numbers."""
