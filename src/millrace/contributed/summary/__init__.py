"""`tf.contrib.summary`: summaries that are written into event files by the operations of a step."""
