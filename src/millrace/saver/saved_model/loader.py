"""`tf.saved_model.load`: a SavedModel's graph and variables into a session."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.core.scoped_names import in_scope
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.assets import asset_feeds
from millrace.saver.saver import import_meta_graph


@public("saved_model.contains_saved_model", "saved_model.maybe_saved_model_directory",
        "saved_model.loader.maybe_saved_model_directory")  # fmt: skip
def contains_saved_model(export_dir: Any) -> bool:
    """Whether a folder looks like a SavedModel: it holds `saved_model.pb` or `saved_model.pbtxt`."""
    folder = os.fsdecode(export_dir)
    return any(os.path.exists(os.path.join(folder, name)) for name in _NAMES)


_NAMES = (constants.SAVED_MODEL_FILENAME_PB, constants.SAVED_MODEL_FILENAME_PBTXT)


@public("python.saved_model.loader_impl.parse_saved_model", "python.tools.saved_model_utils.read_saved_model")
def read_saved_model(export_dir: Any) -> Any:
    """The `SavedModel` message in a folder, written as bytes or as text.

    Raises:
      OSError: there is none, or it cannot be read.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    folder = os.fsdecode(export_dir)
    binary, text = (os.path.join(folder, name) for name in _NAMES)
    if os.path.exists(binary):
        with open(binary, "rb") as file:
            content = file.read()
        try:
            return protos.SavedModel.FromString(content)
        except DecodeError as error:
            raise OSError(f"Cannot parse file {binary}: {error}.") from None
    if os.path.exists(text):
        with open(text, "rb") as file:
            content = file.read()
        try:
            return text_format.Parse(content, protos.SavedModel())
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise OSError(f"Cannot parse file {text}: {error}.") from None
    raise OSError(
        f"SavedModel file does not exist at: {folder}/"
        f"{{{constants.SAVED_MODEL_FILENAME_PBTXT}|{constants.SAVED_MODEL_FILENAME_PB}}}"
    )


def meta_graph_of(saved_model: Any, tags: Iterable[str], export_dir: Any) -> Any:
    """The `MetaGraphDef` that has exactly these tags.

    Raises:
      RuntimeError: there is none.
    """
    wanted = set(tags)
    for meta in saved_model.meta_graphs:
        if set(meta.meta_info_def.tags) == wanted:
            return meta
    there = ["{" + ", ".join(map(repr, sorted(m.meta_info_def.tags))) + "}" for m in saved_model.meta_graphs]
    raise RuntimeError(
        f"MetaGraphDef associated with tags {str(list(tags)).strip('[]')} could not be found in SavedModel "
        f"{os.fsdecode(export_dir)}, which has {', '.join(there) or 'none'}; `millrace show` lists them"
    )


@public("saved_model.load", "saved_model.loader.load")
def load(
    sess: Any, tags: Iterable[str], export_dir: Any, import_scope: str | None = None, **saver_kwargs: Any
) -> Any:
    """Loads one graph of a SavedModel, with the values of its variables, and runs what initialises it.

    Args:
      sess: a session; the model is added to its graph.
      tags: all tags of the graph.
      export_dir: the SavedModel's folder, written by TensorFlow 1, TensorFlow 2 or millrace.
      import_scope: a scope for the model's nodes.
      **saver_kwargs: for the saver that restores the variables.

    Returns:
      The `MetaGraphDef`, whose signatures name tensors without `import_scope`.

    Raises:
      OSError: there is no SavedModel, or it cannot be read.
      RuntimeError: no graph has exactly these tags, or it names several operations to run.
      NotFoundError, DataLossError: the variables are missing or damaged.
    """
    export_dir = os.fsdecode(export_dir)
    tags = list(tags)
    meta = meta_graph_of(read_saved_model(export_dir), tags, export_dir)
    with sess.graph.as_default():
        saver = import_meta_graph(meta, import_scope=import_scope, **saver_kwargs)
        if saver is not None:
            path = os.path.join(export_dir, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
            saver.restore(sess, path)
        starter = init_op_of(sess.graph, meta, import_scope)
        if starter is not None:
            sess.run(starter, asset_feeds(meta, export_dir, import_scope))
    return meta


def init_op_of(graph: Any, meta: Any, scope: str | None) -> Any:
    """The operation that initialises a loaded model."""
    if constants.INIT_OP_SIGNATURE in meta.signature_def:
        name = meta.signature_def[constants.INIT_OP_SIGNATURE].outputs[constants.INIT_OP_SIGNATURE].name
        return graph.as_graph_element(in_scope(name, scope))
    for key in (constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY):
        if key not in meta.collection_def:
            continue
        names = list(meta.collection_def[key].node_list.value)
        if len(names) != 1:
            raise RuntimeError(
                f"Expected exactly one SavedModel init op in the collection {key}. Received: {names}"
            )
        return graph.as_graph_element(in_scope(names[0], scope))
    return None
