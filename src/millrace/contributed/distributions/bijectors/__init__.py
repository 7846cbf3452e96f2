"""`tf.contrib.distributions.bijectors`: functions that transform random variables."""
