"""`tf.contrib.model_pruning`: sets small weights to 0 while a model trains."""
