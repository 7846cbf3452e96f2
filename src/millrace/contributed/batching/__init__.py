"""`tf.contrib.batching`: functions that compute whole batches."""
