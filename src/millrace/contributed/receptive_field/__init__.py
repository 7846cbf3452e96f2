"""`tf.contrib.receptive_field`: what part of an image a value of a network sees."""
