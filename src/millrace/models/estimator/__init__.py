"""`tf.estimator`: models that train, evaluate, predict and export themselves."""
