"""Shape rules, families of operations and gradient idioms."""
