"""`tf.profiler`: parameters, operations on numbers, time and memory of a graph, by scope or type."""
