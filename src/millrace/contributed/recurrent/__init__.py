"""`tf.contrib.recurrent`: a function applied to one step of a sequence after another."""
