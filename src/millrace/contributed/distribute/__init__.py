"""`tf.contrib.distribute`: strategies as programs of 2018 spell them, steps, and configurations."""
