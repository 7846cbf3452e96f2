"""`tf.layers`, and what Keras shares with it: the base of all layers and what the core layers compute."""
