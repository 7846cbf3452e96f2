"""Composed pieces of neural networks: convolutions, pools, losses of distributions, embeddings."""
