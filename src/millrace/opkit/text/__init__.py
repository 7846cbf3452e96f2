"""Byte strings and text: formats, patterns, hashes."""
