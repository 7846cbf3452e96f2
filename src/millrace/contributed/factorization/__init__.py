"""`tf.contrib.factorization`: k-means, mixtures of Gaussians, weighted alternating least squares."""
