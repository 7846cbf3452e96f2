"""`tf.keras.backend`: the functions on tensors and the session that Keras works with."""
