"""`public` for rooms; it lives in `core` so that the layers below `opkit` can export names too."""

from millrace.core.public import public as public

__all__ = ["public"]
