"""Plain values: dtypes, shapes, names and errors."""
