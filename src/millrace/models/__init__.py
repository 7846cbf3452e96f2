"""Whole models above the graph: Keras, estimators, feature columns."""
