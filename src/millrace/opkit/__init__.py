"""What rooms are written with: shape rules, op families, attribute kinds, gradient helpers."""
