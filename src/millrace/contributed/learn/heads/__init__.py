"""`tf.contrib.learn`: heads, which make predictions, losses and metrics of logits."""
