"""`tf.contrib.solvers`: linear equations and least squares by iteration."""
