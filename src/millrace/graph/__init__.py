"""The graph: operations, tensors, names and scopes. No numbers move here."""
