"""Known architectures of image models."""
