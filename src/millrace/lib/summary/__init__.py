"""`tf.summary`: operations that summarize tensors."""
