"""`tf.contrib.input_pipeline.obtain_next`."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.core.dtypes import int64
from millrace.core.public import public
from millrace.lib.variables.assigning import assign
from millrace.ops.array.gather import gather


@public("contrib.input_pipeline.obtain_next")
def obtain_next(string_list_tensor: Any, counter: Any) -> Any:
    """The next element of a list of strings, from the beginning again after the last one.

    Args:
      string_list_tensor: `[n]`.
      counter: an int64 variable that counts the elements; it begins at -1.

    Returns:
      A scalar; each run moves the counter.
    """
    items = convert_to_tensor(string_list_tensor)
    count = raw.Cast(raw.Size(items), DstT=int64)
    place = assign(counter, (counter + 1) % count)
    return gather(items, place)
