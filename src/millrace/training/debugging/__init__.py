"""Looking into runs while they happen."""
