"""`tf.contrib.model_pruning`: trains with pruning, and takes masks out of what has been trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.training import slim_learning
from millrace.core import protos
from millrace.core.public import public
from millrace.exchange.graph_util import convert_variables_to_constants, extract_sub_graph
from millrace.graph.graph import Graph
from millrace.saver.checkpoint.state import get_checkpoint_state
from millrace.saver.freezing.batch_norms import constant, value_of
from millrace.saver.saver import import_meta_graph
from millrace.session.session import Session


@public("contrib.model_pruning.train")
def train(
    train_op: Any,
    logdir: Any,
    mask_update_op: Any,
    train_step_fn: Callable[..., tuple[Any, bool]] = slim_learning.train_step,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """As `tf.contrib.slim.learning.train`, with new masks after each step.

    Args:
      train_op, logdir, train_step_fn, *args, **kwargs: as for `tf.contrib.slim.learning.train`.
      mask_update_op: what sets the masks.
    """

    def step(session: Any, *arguments: Any) -> tuple[Any, bool]:
        loss, stop = train_step_fn(session, *arguments)
        session.run(mask_update_op)
        return loss, stop

    return slim_learning.train(train_op, logdir, step, *args, **kwargs)


@public("contrib.model_pruning.graph_def_from_checkpoint")
def graph_def_from_checkpoint(checkpoint_dir: Any, output_node_names: Sequence[str]) -> Any:
    """The GraphDef of a checkpoint, with constants instead of variables.

    Args:
      checkpoint_dir: the folder.
      output_node_names: the operations that are wanted.

    Raises:
      ValueError: there is no checkpoint.
    """
    state = get_checkpoint_state(checkpoint_dir)
    if state is None or not state.model_checkpoint_path:
        raise ValueError(f"Could not find a checkpoint at: {checkpoint_dir}.")
    path = state.model_checkpoint_path
    with Graph().as_default() as graph, Session(graph=graph) as session:
        saver = import_meta_graph(f"{path}.meta", clear_devices=True)
        assert saver is not None
        saver.restore(session, path)
        return convert_variables_to_constants(session, graph.as_graph_def(), list(output_node_names))


@public("contrib.model_pruning.strip_pruning_vars_fn")
def strip_pruning_vars_fn(input_graph_def: Any, output_node_names: Sequence[str]) -> Any:
    """A frozen GraphDef whose masked weights are constants themselves.

    Args:
      input_graph_def: a GraphDef without variables.
      output_node_names: the operations that are wanted.
    """
    nodes = {node.name: node for node in input_graph_def.node}

    def value(name: str) -> Any:
        node = nodes[name.partition(":")[0]]
        return value(node.input[0]) if node.op == "Identity" else value_of(node)

    made = protos.GraphDef(versions=input_graph_def.versions, library=input_graph_def.library)
    for node in input_graph_def.node:
        if node.op == "Mul" and node.name.endswith("masked_weight"):
            made.node.append(constant(node.name, value(node.input[0]) * value(node.input[1])))
        else:
            made.node.add().CopyFrom(node)
    return extract_sub_graph(made, output_node_names)
