"""tf.data: pipelines of elements, drawn as operations of the graph."""
