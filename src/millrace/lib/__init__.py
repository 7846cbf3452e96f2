"""Composed functions: what the public API offers beyond single operations; nothing here declares one."""
