"""`tf.keras`: layers joined to models that train themselves."""
