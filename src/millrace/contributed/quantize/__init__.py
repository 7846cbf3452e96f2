"""`tf.contrib.quantize`: graphs rewritten for training that knows of quantization."""
