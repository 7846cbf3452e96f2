"""Variables in pieces: `W_0`, `W_1`, ..., joined where they are used."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import add_to_collection, get_collection
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.scope import get_variable, get_variable_scope
from millrace.ops.array.concat import concat


def sharded_variable(name: str, shape: list[int], dtype: Any, num_shards: int) -> Any:
    """One tensor or variable of `shape`, made of `num_shards` variables along the first axis.

    Raises:
      ValueError: there are more pieces than rows.
    """
    if num_shards > shape[0]:
        raise ValueError(f"Too many shards: shape={shape}, num_shards={num_shards}")
    size, more = divmod(shape[0], num_shards)
    pieces = [
        get_variable(f"{name}_{i}", [size + (i < more), *shape[1:]], dtype=dtype) for i in range(num_shards)
    ]
    if len(pieces) == 1:
        return pieces[0]
    full = f"{get_variable_scope().name}/{name}/concat:0"
    for value in get_collection(GraphKeys.CONCATENATED_VARIABLES):
        if value.name == full:
            return value
    joined = concat(pieces, 0, name=f"{name}/concat")
    add_to_collection(GraphKeys.CONCATENATED_VARIABLES, joined)
    return joined
