"""`inspect_checkpoint`: prints what a checkpoint holds; and the tags of a SavedModel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.saver.checkpoint.reader import CheckpointReader
from millrace.saver.saved_model.loader import meta_graph_of, read_saved_model


@public("python.tools.inspect_checkpoint.print_tensors_in_checkpoint_file")
def print_tensors_in_checkpoint_file(
    file_name: str,
    tensor_name: str,
    all_tensors: bool,
    all_tensor_names: bool = False,
    count_exclude_pattern: str = "",
) -> None:
    """Prints names and values of a checkpoint's tensors, and how many numbers it holds.

    Args:
      file_name: the checkpoint's name.
      tensor_name: print this tensor alone; "" prints names, dtypes and shapes of all.
      all_tensors: print all values.
      all_tensor_names: print all names.
      count_exclude_pattern: leave tensors out of the count whose names this regular expression matches.
    """
    reader = CheckpointReader(file_name)
    shapes = reader.get_variable_to_shape_map()
    if all_tensors or all_tensor_names:
        for name in sorted(shapes):
            print(f"tensor_name:  {name}")  # noqa: T201 - as TensorFlow's does
            if all_tensors:
                print(reader.get_tensor(name))  # noqa: T201 - as TensorFlow's does
    elif not tensor_name:
        print(reader.debug_string().decode("utf-8", errors="ignore"))  # noqa: T201 - as TensorFlow's does
    else:
        print(f"tensor_name:  {tensor_name}")  # noqa: T201 - as TensorFlow's does
        print(reader.get_tensor(tensor_name))  # noqa: T201 - as TensorFlow's does
    total = count_parameters(shapes, count_exclude_pattern)
    print(f"# Total number of params: {total}")  # noqa: T201 - as TensorFlow's does


def count_parameters(shapes: Mapping[str, Iterable[int]], exclude: str = "") -> int:
    """How many numbers tensors of these shapes hold, those left out whose names `exclude` matches."""
    kept = [shape for name, shape in shapes.items() if not exclude or not re.search(exclude, name)]
    return sum(int(np.prod(list(shape), dtype=np.int64)) for shape in kept)


@public("python.tools.saved_model_utils.get_saved_model_tag_sets")
def get_saved_model_tag_sets(saved_model_dir: Any) -> list[list[str]]:
    """The tags of each graph of a SavedModel."""
    return sorted(list(meta.meta_info_def.tags) for meta in read_saved_model(saved_model_dir).meta_graphs)


@public("python.tools.saved_model_utils.get_meta_graph_def")
def get_meta_graph_def(saved_model_dir: Any, tag_set: str) -> Any:
    """The graph of a SavedModel that has exactly these tags, written with commas.

    Raises:
      RuntimeError: there is none.
    """
    return meta_graph_of(read_saved_model(saved_model_dir), tag_set.split(","), saved_model_dir)
