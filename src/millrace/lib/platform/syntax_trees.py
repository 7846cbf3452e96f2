"""What programs derive from in `tensorflow.python.autograph.pyct`: a transformer of syntax trees."""

from __future__ import annotations

import ast
import re
from collections import namedtuple
from typing import Any

from millrace.core.public import public

EntityInfo = public("python.autograph.pyct.transformer.EntityInfo")(
    namedtuple("EntityInfo", ["source_code", "source_file", "future_features", "namespace"])
)
# What the name of a scope for a summary may not hold.
INVALID_SCOPE_CHARACTERS = public("python.ops.summary_ops_v2._INVALID_SCOPE_CHARACTERS")(
    re.compile(r"[^-_/.A-Za-z0-9]")
)


@public("python.autograph.pyct.transformer.Base")
class Transformer(ast.NodeTransformer):
    """Changes a syntax tree node by node, with `visit_X` methods as `ast.NodeTransformer` calls them.

    Args:
      ctx: what is known of the function whose tree it is.
    """

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx

    def visit_block(self, nodes: list[Any]) -> list[Any]:
        """The statements of a block, each visited; one may become several or none."""
        found: list[Any] = []
        for node in nodes:
            result = self.visit(node)
            found.extend(result if isinstance(result, list) else [] if result is None else [result])
        return found
