"""`tf.keras.optimizers`: rules by which weights follow their gradients."""
