"""`tf.contrib`: what TensorFlow 1 offered beside its core."""
