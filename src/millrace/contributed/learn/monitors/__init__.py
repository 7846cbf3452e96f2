"""`tf.contrib.learn.monitors`: what watches a training step by step."""
