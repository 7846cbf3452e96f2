"""`tf.contrib.sparsemax`: a softmax whose shares can be 0."""
