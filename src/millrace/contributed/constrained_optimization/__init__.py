"""`tf.contrib.constrained_optimization`: minimizes under constraints that need not be differentiable."""
