"""The operations of tf.data: each makes a dataset, or takes elements of one."""
