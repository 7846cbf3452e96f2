"""`tf.contrib.copy_graph`: copies variables and operations into other graphs."""
