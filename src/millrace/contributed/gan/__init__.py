"""`tf.contrib.gan`: generators and discriminators that are trained against each other."""
