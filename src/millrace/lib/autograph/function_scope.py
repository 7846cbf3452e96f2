"""What a converted function does around its body where features ask for it: a scope, and order of effects."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import nest
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.settings import Feature, Options


def scoped(function: Callable[..., Any], options: Options, name: str) -> Callable[..., Any]:
    """The function in a name scope of its own, its results behind its effects, as far as asked for."""
    names, order = options.uses(Feature.NAME_SCOPES), options.uses(Feature.AUTO_CONTROL_DEPS)
    if not names and not order:
        return function

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not names:
            return _ordered(function, args, kwargs) if order else function(*args, **kwargs)
        with name_scope(name.strip("<>_")):
            return _ordered(function, args, kwargs) if order else function(*args, **kwargs)

    return called


def _ordered(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The function's results, which wait for what it added that has effects."""
    graph = get_default_graph()
    first = len(graph.ops)
    results = function(*args, **kwargs)
    effects = [
        op
        for op in graph.ops[first:]
        if op.body is graph.body and (op.opdef.effect or op.opdef.writes or op.opdef.blocking)
    ]
    with graph.control_dependencies(effects):
        return nest.map_structure(lambda v: raw.Identity(v) if isinstance(v, Tensor) else v, results)
