"""`tf.contrib.compiler`: models whose steps are compiled as a whole."""
