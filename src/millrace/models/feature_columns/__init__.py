"""`tf.feature_column`: what a model is told about its features, and how they become numbers."""
