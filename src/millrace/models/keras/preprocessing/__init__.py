"""Texts, sequences and images on their way into models."""
