"""`tf.contrib.slim`: networks, data providers and decoders."""
