"""`tf.contrib.optimizer_v2`: optimizers as the second draft of their interface spells them."""
