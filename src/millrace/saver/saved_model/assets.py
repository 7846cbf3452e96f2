"""Files that a graph reads, such as vocabularies, carried along in a SavedModel."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.core.file_errors import naming
from millrace.core.parsing import parsed
from millrace.graph.tensor import Tensor
from millrace.lib.platform.log import get_logger
from millrace.opkit.checkpoint import files
from millrace.saver.saved_model import constants

_logger = get_logger()


def asset_messages(tensors: Iterable[Any] | None) -> tuple[list[Any], dict[str, str]]:
    """What a meta graph says of assets, and which files are copied.

    Args:
      tensors: string constants that hold the files' paths.

    Returns:
      The `AssetFileDef` messages, and the names below the folder of assets to the paths of the files.

    Raises:
      ValueError: a tensor is not a constant of one string.
    """
    messages: list[Any] = []
    copied: dict[str, str] = {}
    for tensor in tensors or ():
        path = _path_of(tensor)
        name = _name_for(path, copied)
        copied[name] = path
        messages.append(protos.AssetFileDef(tensor_info=protos.TensorInfo(name=tensor.name), filename=name))
    return messages, copied


def _path_of(tensor: Any) -> str:
    if not isinstance(tensor, Tensor):
        raise ValueError(f"assets_collection: an asset is a constant tensor. Received: {tensor!r}")
    if tensor.op.type != "Const":
        raise ValueError(f"assets_collection: an asset must be a constant. Received: {tensor!r}")
    value = tensor.op.attrs["value"]
    if value.dtype != object or value.shape not in ((), (1,)) or not value.item():
        raise ValueError(f"assets_collection: an asset holds the path of one file. Received: {tensor!r}")
    path = value.item()
    return os.fsdecode(path)


def _name_for(path: str, copied: dict[str, str]) -> str:
    """The name of the copy: two files of one name and other contents get two names."""
    base = name = os.path.basename(path)
    count = 0
    while name in copied and not _same(copied[name], path):
        count += 1
        name = f"{base}_{count}"
    return name


def _same(a: str, b: str) -> bool:
    if a == b:
        return True
    with naming(b):
        return filecmp.cmp(a, b, shallow=False)


def copy_assets(copied: dict[str, str], export_dir: str) -> None:
    """Copies files into the folder of assets of a SavedModel."""
    if not copied:
        _logger.info("No assets to write.")
        return
    folder = os.path.join(export_dir, constants.ASSETS_DIRECTORY)
    os.makedirs(folder, exist_ok=True)
    for name, path in copied.items():
        with naming(path):
            shutil.copyfile(path, os.path.join(folder, name))
    files.sync_folder(folder)
    _logger.info("Assets written to: %s", folder)


def asset_feeds(meta_graph: Any, export_dir: str, scope: str | None) -> dict[str, str]:
    """The paths of a loaded model's assets: names of tensors to what they must hold."""
    messages = list(meta_graph.asset_file_def)
    if not messages and constants.ASSETS_KEY in meta_graph.collection_def:
        packed = meta_graph.collection_def[constants.ASSETS_KEY].any_list.value
        messages = [parsed(protos.AssetFileDef, one.value, "An asset of the SavedModel") for one in packed]
    folder = os.path.join(export_dir, constants.ASSETS_DIRECTORY)
    found = {}
    for message in messages:
        name = message.tensor_info.name
        found[f"{scope}/{name}" if scope else name] = os.path.join(folder, message.filename)
    return found
