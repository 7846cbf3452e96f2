"""`tf.keras.callbacks`: what a program does while a model trains."""
