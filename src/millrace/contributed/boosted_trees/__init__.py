"""`tf.contrib.boosted_trees`: gradient boosted decision trees of several logits."""
