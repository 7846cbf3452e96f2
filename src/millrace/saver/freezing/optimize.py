"""`optimize_for_inference`: a frozen graph without what only training needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.core.public import public
from millrace.exchange.graph_util import remove_training_nodes
from millrace.saver.freezing.batch_norms import fold_batch_norms
from millrace.saver.freezing.strip import ensure_graph_is_valid, strip_unused


@public("python.tools.optimize_for_inference_lib.optimize_for_inference")
def optimize_for_inference(
    input_graph_def: Any,
    input_node_names: Sequence[str],
    output_node_names: Sequence[str],
    placeholder_type_enum: Any,
    toco_compatible: bool = False,
) -> Any:
    """A frozen graph cut down to what lies between inputs and outputs, with batch normalizations folded.

    Args:
      input_graph_def: a frozen GraphDef.
      input_node_names: nodes to be fed.
      output_node_names: nodes to be fetched.
      placeholder_type_enum: the dtype of the placeholders, or one for each, as numbers of `DataType`.
      toco_compatible: taken; resizes are never fused into convolutions.

    Returns:
      A new GraphDef.

    Raises:
      ValueError: a name appears twice, or an input names no node.
      KeyError, AssertionError: an input or output is not in the graph.
    """
    ensure_graph_is_valid(input_graph_def)
    made = strip_unused(input_graph_def, input_node_names, output_node_names, placeholder_type_enum)
    made = remove_training_nodes(made, output_node_names)
    made = fold_batch_norms(made)
    ensure_graph_is_valid(made)
    return made
