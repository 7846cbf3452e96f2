"""What boosted trees are made of: ensembles, splits, quantile streams."""
