"""`tf.contrib.rnn`: more cells, cells around cells, and cells that run over a whole sequence."""
