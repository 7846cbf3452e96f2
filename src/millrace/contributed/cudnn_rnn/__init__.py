"""`tf.contrib.cudnn_rnn`: layers of recurrent networks with the parameters and equations of cuDNN."""
