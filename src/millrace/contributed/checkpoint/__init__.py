"""`tf.contrib.checkpoint`: containers and states for checkpoints of objects."""
