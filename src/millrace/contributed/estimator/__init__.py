"""`tf.contrib.estimator`: recurrent estimators, and models on several devices."""
