"""Threads that work beside a training loop, and the pipelines of queues that they fill."""
