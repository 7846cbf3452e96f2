"""Convolutions, pools, activations, normalization, losses of classes."""
