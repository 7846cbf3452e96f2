"""`freeze_graph`: a graph and a checkpoint, or a SavedModel, become one file with constants."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import protos
from millrace.core.parsing import parsed
from millrace.core.public import public
from millrace.exchange.graph_util import convert_variables_to_constants
from millrace.exchange.importer import import_graph_def
from millrace.graph.graph import Graph
from millrace.lib.variables.variable import Variable
from millrace.saver.checkpoint.reader import CheckpointReader
from millrace.saver.checkpoint.state import checkpoint_exists
from millrace.saver.freezing.strip import read_graph_def, split_names, write_graph_def
from millrace.saver.meta_graph import read_meta_graph_file
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.loader import load, meta_graph_of, read_saved_model
from millrace.saver.saver import Saver, import_meta_graph
from millrace.session.session import Session


@public("python.tools.freeze_graph.freeze_graph_with_def_protos")
def freeze_graph_with_def_protos(
    input_graph_def: Any,
    input_saver_def: Any,
    input_checkpoint: str | None,
    output_node_names: str,
    restore_op_name: str | None,
    filename_tensor_name: str | None,
    output_graph: str | None,
    clear_devices: bool,
    initializer_nodes: str,
    variable_names_whitelist: str = "",
    variable_names_blacklist: str = "",
    input_meta_graph_def: Any = None,
    input_saved_model_dir: str | None = None,
    saved_model_tags: list[str] | None = None,
    checkpoint_version: int = 2,
) -> Any:
    """A graph with the variables of a checkpoint or SavedModel as constants.

    Args:
      input_graph_def: the GraphDef; None where a meta graph or SavedModel is given.
      input_saver_def: the graph's saver, or None: variables are then found by their names.
      input_checkpoint: the checkpoint's name; unused with a SavedModel.
      output_node_names: names with commas.
      restore_op_name, filename_tensor_name: unused.
      output_graph: the file to write; None or "" for none.
      clear_devices: leave the devices out.
      initializer_nodes: names of operations to run first, with commas; or "".
      variable_names_whitelist: freeze only these, with commas; "" for all.
      variable_names_blacklist: do not freeze these.
      input_meta_graph_def: a MetaGraphDef.
      input_saved_model_dir: a SavedModel's folder.
      saved_model_tags: the tags of its graph.
      checkpoint_version: unused; both formats are read.

    Returns:
      The GraphDef; -1 where no outputs are named or the checkpoint does not exist.
    """
    if not input_saved_model_dir and not (input_checkpoint and checkpoint_exists(input_checkpoint)):
        print(f"Input checkpoint '{input_checkpoint}' doesn't exist!")  # noqa: T201 - as TensorFlow's does
        return -1
    outputs = split_names(output_node_names)
    if not outputs:
        print("You need to supply the name of a node to --output_node_names.")  # noqa: T201 - as TensorFlow's does
        return -1
    with Graph().as_default() as graph, Session(graph=graph) as session:
        source = input_graph_def
        if input_meta_graph_def is not None:
            source = _copy(input_meta_graph_def.graph_def, clear_devices)
            saver = import_meta_graph(input_meta_graph_def, clear_devices=clear_devices)
            (saver or Saver()).restore(session, input_checkpoint)
        elif input_saved_model_dir:
            tags = saved_model_tags or [constants.SERVING]
            source = _copy(load(session, tags, input_saved_model_dir).graph_def, clear_devices)
        else:
            source = _copy(input_graph_def, clear_devices)
            import_graph_def(source, name="")
            _restore(session, input_saver_def, input_checkpoint)
        first = split_names(initializer_nodes)
        if first:
            session.run(first)
        frozen = convert_variables_to_constants(
            session,
            source if not source.library.function else graph.as_graph_def(),
            outputs,
            split_names(variable_names_whitelist) or None,
            split_names(variable_names_blacklist),
        )
    if output_graph:
        write_graph_def(frozen, output_graph)
    return frozen


def _copy(graph_def: Any, clear_devices: bool) -> Any:
    made = protos.GraphDef()
    made.CopyFrom(graph_def)
    if clear_devices:
        for node in made.node:
            node.device = ""
    return made


def _restore(session: Any, saver_def: Any, checkpoint: Any) -> None:
    if saver_def is not None:
        Saver(saver_def=saver_def, write_version=saver_def.version).restore(session, checkpoint)
        return

    there = CheckpointReader(checkpoint).get_variable_to_shape_map()
    graph = session.graph
    found = {}
    for op in list(graph.get_operations()):
        if op.type in ("Variable", "VariableV2", "VarHandleOp") and op.name in there:
            definition = protos.VariableDef(
                variable_name=op.outputs[0].name,
                initializer_name=_assign_of(op),
                snapshot_name=_read_of(op),
                is_resource=op.type == "VarHandleOp",
            )
            found[op.name] = Variable.from_proto(definition)
    if found:
        Saver(var_list=found).restore(session, checkpoint)


def _assign_of(op: Any) -> str:
    for user in op.outputs[0].consumers():
        if user.type in ("Assign", "AssignVariableOp"):
            return user.name
    return op.name


def _read_of(op: Any) -> str:
    for user in op.outputs[0].consumers():
        if user.type in ("Identity", "ReadVariableOp"):
            return user.outputs[0].name
    return op.outputs[0].name


@public("python.tools.freeze_graph.freeze_graph")
def freeze_graph(
    input_graph: str | None,
    input_saver: str | None,
    input_binary: bool,
    input_checkpoint: str | None,
    output_node_names: str,
    restore_op_name: str | None,
    filename_tensor_name: str | None,
    output_graph: str | None,
    clear_devices: bool,
    initializer_nodes: str,
    variable_names_whitelist: str = "",
    variable_names_blacklist: str = "",
    input_meta_graph: str | None = None,
    input_saved_model_dir: str | None = None,
    saved_model_tags: str = constants.SERVING,
    checkpoint_version: int = 2,
) -> Any:
    """`freeze_graph_with_def_protos`, with files in the place of messages.

    Args:
      input_graph: a file with a GraphDef, or None.
      input_saver: a file with a SaverDef, or None.
      input_binary: whether these files are binary; otherwise text.
      input_meta_graph: a file with a MetaGraphDef, or None.
      saved_model_tags: the tags, with commas.
      input_checkpoint, output_node_names, restore_op_name, filename_tensor_name, output_graph, clear_devices,
        initializer_nodes, variable_names_whitelist, variable_names_blacklist, input_saved_model_dir,
        checkpoint_version: as for `freeze_graph_with_def_protos`.

    Returns:
      The GraphDef; -1 where something is missing.
    """
    graph_def = None
    if input_saved_model_dir:
        meta = meta_graph_of(
            read_saved_model(input_saved_model_dir), saved_model_tags.split(","), input_saved_model_dir
        )
        graph_def = meta.graph_def
    elif input_graph:
        if not os.path.exists(input_graph):
            print(f"Input graph file '{input_graph}' does not exist!")  # noqa: T201 - as TensorFlow's does
            return -1
        graph_def = read_graph_def(input_graph, input_binary)
    meta_graph = read_meta_graph_file(input_meta_graph) if input_meta_graph else None
    saver_def = _read_saver(input_saver, input_binary) if input_saver else None
    return freeze_graph_with_def_protos(
        graph_def,
        saver_def,
        input_checkpoint,
        output_node_names,
        restore_op_name,
        filename_tensor_name,
        output_graph,
        clear_devices,
        initializer_nodes,
        variable_names_whitelist,
        variable_names_blacklist,
        meta_graph,
        input_saved_model_dir,
        [tag for tag in saved_model_tags.replace(" ", "").split(",") if tag],
        checkpoint_version,
    )


def _read_saver(path: str, binary: bool) -> Any:
    from google.protobuf import text_format

    with open(path, "rb") as file:
        content = file.read()
    return parsed(protos.SaverDef, content, path) if binary else text_format.Parse(content, protos.SaverDef())
