"""`tf.contrib.testing`: what tests ask of summaries and event files."""
