"""`tf.saved_model.Builder` and `simple_save`: write a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.lib.platform.log import get_logger
from millrace.opkit.checkpoint import files
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.assets import asset_messages, copy_assets
from millrace.saver.saved_model.signatures import predict_signature_def
from millrace.saver.saver import Saver, all_saveables

_logger = get_logger()


@public("saved_model.Builder", "saved_model.builder.SavedModelBuilder")
class SavedModelBuilder:
    """Writes a SavedModel: one or more graphs that share variables and assets.

    Args:
      export_dir: the folder; made when it is missing.

    Raises:
      AssertionError: the folder exists and is not empty.
    """

    def __init__(self, export_dir: Any) -> None:
        self._saved_model = protos.SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
        self._export_dir = os.fsdecode(export_dir)
        if os.path.exists(self._export_dir) and os.listdir(self._export_dir):
            raise AssertionError(
                "Export directory already exists, and isn't empty. Please choose a different export "
                f"directory, or delete all the contents of the specified directory: {self._export_dir}"
            )
        os.makedirs(self._export_dir, exist_ok=True)
        self._has_saved_variables = False

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Iterable[str],
        signature_def_map: dict[str, Any] | None = None,
        assets_collection: Iterable[Any] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Adds the default graph, and writes the values of its variables.

        Args:
          sess: the session that holds the values.
          tags: what the graph is found by, all of them together.
          signature_def_map: names to `SignatureDef` messages.
          assets_collection: string constants that hold the paths of files to be copied.
          legacy_init_op: an older name of `main_op`.
          clear_devices: leave the devices out.
          main_op: the operation to run after the model is loaded.
          strip_default_attrs: leave attributes out that have their defaults.
          saver: writes the variables; default, one of all variables and saveable objects.

        Raises:
          AssertionError: variables were written already, or a signature names nothing.
          KeyError: a signature has a reserved name.
          TypeError: the operation to run is not an operation.
          ValueError: the graph has an operation to run already, or an asset is not a constant path.
        """
        if self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. "
                "Please invoke `add_meta_graph()` instead."
            )
        _check_signatures(signature_def_map)
        copied = _add_collections(assets_collection, legacy_init_op if main_op is None else main_op)
        copy_assets(copied, self._export_dir)
        folder = os.path.join(self._export_dir, constants.VARIABLES_DIRECTORY)
        os.makedirs(folder, exist_ok=True)
        saver = _default_saver() if saver is None else saver
        path = os.path.join(folder, constants.VARIABLES_FILENAME)
        saver.save(sess, path, write_meta_graph=False, write_state=False)
        self._add(saver, tags, signature_def_map, clear_devices, strip_default_attrs)
        self._has_saved_variables = True

    def add_meta_graph(
        self,
        tags: Iterable[str],
        signature_def_map: dict[str, Any] | None = None,
        assets_collection: Iterable[Any] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Adds the default graph, which takes the variables that were written with the first.

        Args:
          tags, signature_def_map, assets_collection, legacy_init_op, clear_devices, main_op,
            strip_default_attrs, saver: as for `add_meta_graph_and_variables`.

        Raises:
          AssertionError: no variables were written before, or a signature names nothing.
        """
        if not self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has not been saved yet. "
                "Please invoke `add_meta_graph_and_variables()` first."
            )
        _check_signatures(signature_def_map)
        copied = _add_collections(assets_collection, legacy_init_op if main_op is None else main_op)
        copy_assets(copied, self._export_dir)
        saver = _default_saver() if saver is None else saver
        self._add(saver, tags, signature_def_map, clear_devices, strip_default_attrs)

    def _add(
        self,
        saver: Saver,
        tags: Iterable[str],
        signatures: dict[str, Any] | None,
        clear_devices: bool,
        strip_default_attrs: bool,
    ) -> None:
        meta = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        meta.meta_info_def.tags.extend(tags)
        for name, signature in (signatures or {}).items():
            meta.signature_def[name].CopyFrom(signature)
        self._saved_model.meta_graphs.add().CopyFrom(meta)

    def save(self, as_text: bool = False) -> bytes:
        """Writes the graphs; the file appears whole or not at all.

        Args:
          as_text: protocol buffer text; otherwise binary.

        Returns:
          The path of the file, as bytes.
        """
        os.makedirs(self._export_dir, exist_ok=True)
        if as_text:
            from google.protobuf import text_format

            name = constants.SAVED_MODEL_FILENAME_PBTXT
            data = text_format.MessageToString(self._saved_model).encode()
        else:
            name = constants.SAVED_MODEL_FILENAME_PB
            data = self._saved_model.SerializeToString(deterministic=True)
        path = os.path.join(self._export_dir, name)
        files.replace(path, [data])
        _logger.info("SavedModel written to: %s", path)
        return os.fsencode(path)


def _default_saver() -> Saver:
    return Saver(all_saveables(), sharded=True, allow_empty=True)


def _check_signatures(signatures: dict[str, Any] | None) -> None:
    for key, what in (
        (constants.INIT_OP_SIGNATURE, "initialization"),
        (constants.TRAIN_OP_SIGNATURE, "the train op"),
    ):
        if signatures and key in signatures:
            raise KeyError(
                f'SignatureDef map key "{key}" is reserved for {what}. Please use a different key.'
            )
    for name, signature in (signatures or {}).items():
        for infos in (signature.inputs, signature.outputs):
            for key in infos:
                _check_info(name, key, infos[key])


def _check_info(signature: str, name: str, info: Any) -> None:
    encoding = info.WhichOneof("encoding")
    if encoding is None:
        raise AssertionError(
            f"All TensorInfo protos used in the SignatureDefs must have one of the 'encoding' fields set. "
            f"Received: '{name}' of signature '{signature}'"
        )
    if encoding != "composite_tensor" and not info.dtype:
        raise AssertionError(
            "All TensorInfo protos used in the SignatureDefs must have the dtype field set. "
            f"Received: '{name}' of signature '{signature}'"
        )


def _add_collections(assets: Iterable[Any] | None, main_op: Any) -> dict[str, str]:
    """Marks assets and the operation to run in the default graph; returns the files to copy."""
    graph = get_default_graph()
    if main_op is not None:
        if not isinstance(main_op, Operation):
            raise TypeError(f"main_op needs to be an Operation. Received: {main_op!r}")
        for key in (constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY):
            if graph.get_collection(key):
                raise ValueError(f"Graph already contains one or more main ops under the collection {key}.")
    messages, copied = asset_messages(assets)
    for message in messages:
        graph.add_to_collection(constants.ASSETS_KEY, message)
    if main_op is not None:
        graph.add_to_collection(constants.MAIN_OP_KEY, main_op)
    _logger.info("No assets to save." if assets is None else "Assets added to graph.")
    return copied


@public("saved_model.simple_save")
def simple_save(
    session: Any,
    export_dir: Any,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    legacy_init_op: Operation | None = None,
) -> None:
    """Writes a SavedModel with one graph for serving and one signature, "serving_default".

    Args:
      session: holds the variables.
      export_dir: the folder, which must be new or empty.
      inputs: names to the tensors that a caller feeds.
      outputs: names to the tensors that a caller fetches.
      legacy_init_op: the operation to run after the model is loaded.

    Raises:
      AssertionError: the folder is not empty.
      ValueError: there are no inputs or no outputs.
    """
    signature = predict_signature_def(inputs, outputs)
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session,
        [constants.SERVING],
        {constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
        get_default_graph().get_collection(GraphKeys.ASSET_FILEPATHS),
        main_op=legacy_init_op,
        clear_devices=True,
    )
    builder.save()
