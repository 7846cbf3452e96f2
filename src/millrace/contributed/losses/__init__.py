"""`tf.contrib.losses`: the losses as they were called before `tf.losses`, and those of metric learning."""
