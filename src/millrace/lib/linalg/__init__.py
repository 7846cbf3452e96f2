"""Composed linear algebra."""
