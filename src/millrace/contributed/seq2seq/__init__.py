"""`tf.contrib.seq2seq`: decoders, what they read, attention and beam search."""
