"""Names of nodes seen from inside and outside of a scope: `a`, `^a`, `a:0` and `loc:@a`."""

from __future__ import annotations

import re

_PARTS = r"(\^|loc:@|)"


def in_scope(name: str, scope: str | None) -> str:
    """`name` as it is called when it is imported into `scope`."""
    if not scope or not name:
        return name
    mark, rest = re.fullmatch(_PARTS + "(.*)", name, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return f"{mark}{scope.rstrip('/')}/{rest}"


def is_in_scope(name: str, scope: str | None) -> bool:
    """Whether `name` begins as the names in `scope` do."""
    return not scope or name.startswith(scope)


def out_of_scope(name: str, scope: str | None) -> str:
    """`name` as it is called when `scope` is exported by itself; unchanged where it lies outside."""
    if not scope:
        return name
    return re.sub(f"^{_PARTS}{re.escape(scope.rstrip('/'))}/+", r"\1", name)
