"""What rooms share: shape rules, op families, gradient idioms. A room imports its vocabulary from here."""
