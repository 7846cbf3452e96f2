"""`tf.contrib.graph_editor`: parts of a graph selected, rewired, copied and replaced."""
