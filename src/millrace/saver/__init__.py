"""What outlives a program: checkpoints, meta graphs, saved models."""
