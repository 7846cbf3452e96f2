"""Models: layers joined by their calls, compiled, trained and asked."""
