"""Clusters, servers and strategies, all of them in one process."""
