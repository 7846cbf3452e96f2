"""Queues, readers and record files as programs see them."""
