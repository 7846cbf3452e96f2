"""`tf.contrib.framework`: argument scopes, variables of models."""
