"""`tf.contrib.text`: pairs of words that stand near each other."""
