"""`tf.contrib.training` and the training helpers of `tf.contrib.slim`."""
