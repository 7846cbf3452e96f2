"""Variables as programs see them: made, found again by name, initialized, averaged, penalized."""
