"""`tf.test`: test cases, assertions about arrays, benchmarks, gradient checks."""
