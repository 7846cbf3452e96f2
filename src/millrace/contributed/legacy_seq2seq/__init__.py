"""`tf.contrib.legacy_seq2seq`: models drawn step by step, over lists of inputs."""
