"""`tf.contrib.labeled_tensor`: tensors whose axes have names, and perhaps a label for each place."""
