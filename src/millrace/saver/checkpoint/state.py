"""The file `checkpoint`, which tells which checkpoints a folder holds, and checkpoints as files."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millrace.core import filesystems, protos
from millrace.core.errors import NotFoundError, OpError
from millrace.core.file_errors import naming
from millrace.core.public import public
from millrace.lib.platform.log import get_logger
from millrace.opkit.checkpoint import files

_logger = get_logger()
_STATE = "checkpoint"
_V2 = 2


def _path(path: Any) -> str:
    return os.fsdecode(path)


def state_path(save_dir: str, latest_filename: str | None) -> str:
    """Where the state of the checkpoints in a folder is kept."""
    return os.path.join(save_dir, _STATE if latest_filename is None else latest_filename)


@public(
    "train.generate_checkpoint_state_proto",
    "python.training.checkpoint_management.generate_checkpoint_state_proto",
)
def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """The `CheckpointState` that tells which checkpoints there are.

    Args:
      save_dir: the folder that its file belongs to.
      model_checkpoint_path: the newest.
      all_model_checkpoint_paths: all, the oldest first; the newest is added where it is not the last.
      all_model_checkpoint_timestamps: seconds since 1970, one for each of them.
      last_preserved_timestamp: when the last one was kept for good.

    Raises:
      ValueError: there are not as many times as checkpoints.
    """
    paths = list(all_model_checkpoint_paths or [])
    if not paths or paths[-1] != model_checkpoint_path:
        _logger.info("%s is not in all_model_checkpoint_paths. Manually adding it.", model_checkpoint_path)
        paths.append(model_checkpoint_path)
    if all_model_checkpoint_timestamps and len(all_model_checkpoint_timestamps) != len(paths):
        raise ValueError(
            "Checkpoint timestamps, if provided, must match checkpoint paths. Received: "
            f"paths {paths} and timestamps {list(all_model_checkpoint_timestamps)}"
        )
    if not os.path.isabs(save_dir):  # the file's readers put its folder before relative paths
        paths = [path if os.path.isabs(path) else os.path.relpath(path, save_dir) for path in paths]
        if not os.path.isabs(model_checkpoint_path):
            model_checkpoint_path = os.path.relpath(model_checkpoint_path, save_dir)
    state = protos.CheckpointState(
        model_checkpoint_path=model_checkpoint_path,
        all_model_checkpoint_paths=paths,
        all_model_checkpoint_timestamps=all_model_checkpoint_timestamps,
    )
    if last_preserved_timestamp is not None:
        state.last_preserved_timestamp = last_preserved_timestamp
    return state


@public("train.update_checkpoint_state", "python.training.checkpoint_management.update_checkpoint_state")
def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Writes which checkpoints a folder holds.

    Args:
      save_dir: the folder.
      latest_filename: the file's name; default "checkpoint".
      model_checkpoint_path, all_model_checkpoint_paths, all_model_checkpoint_timestamps,
        last_preserved_timestamp: as for `tf.train.generate_checkpoint_state_proto`.

    Raises:
      RuntimeError: the newest checkpoint has the name of the file.
    """
    write_state(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        False,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


def write_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None,
    latest_filename: str | None,
    save_relative_paths: bool,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """`update_checkpoint_state`, with paths relative to the folder where that is asked for."""
    path, data = _state_file(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        save_relative_paths,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )
    files.replace(path, [data])


def prepare_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str],
    latest_filename: str | None,
    save_relative_paths: bool,
) -> files.Prepared:
    """What `write_state` would write, on its way to the disk while the checkpoint itself is written."""
    return files.Prepared(
        *_state_file(
            save_dir, model_checkpoint_path, all_model_checkpoint_paths, latest_filename, save_relative_paths
        )
    )


def _state_file(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None,
    latest_filename: str | None,
    save_relative_paths: bool,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> tuple[str, bytes]:
    """Path and contents of the file that says which checkpoints a folder holds.

    Raises:
      RuntimeError: the newest checkpoint has its name.
    """
    from google.protobuf import text_format

    save_dir = _path(save_dir)
    path = state_path(save_dir, latest_filename)
    if save_relative_paths:
        relative = [os.path.relpath(p, save_dir) for p in all_model_checkpoint_paths or []]
        state = generate_checkpoint_state_proto(
            os.path.abspath(save_dir),
            os.path.relpath(model_checkpoint_path, save_dir),
            relative,
            all_model_checkpoint_timestamps,
            last_preserved_timestamp,
        )
    else:
        state = generate_checkpoint_state_proto(
            save_dir,
            model_checkpoint_path,
            all_model_checkpoint_paths,
            all_model_checkpoint_timestamps,
            last_preserved_timestamp,
        )
    if path == state.model_checkpoint_path:
        raise RuntimeError(
            f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state. "
            "Please use a different save path."
        )
    return path, text_format.MessageToString(state).encode()


@public("train.get_checkpoint_state", "python.training.checkpoint_management.get_checkpoint_state")
def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> Any:
    """The `CheckpointState` of a folder, with its paths put below the folder; None where there is none.

    Args:
      checkpoint_dir: the folder.
      latest_filename: the file's name; default "checkpoint".

    Raises:
      ValueError: the file names no checkpoint.

    Example:
      >>> import tempfile
      >>> print(tf.train.get_checkpoint_state(tempfile.mkdtemp()))
      None
    """
    from google.protobuf import text_format

    folder = _path(checkpoint_dir)
    path = state_path(folder, latest_filename)
    if not filesystems.exists(path):
        return None
    try:
        with naming(path), filesystems.open_file(path) as file:
            state = text_format.Parse(file.read(), protos.CheckpointState())
    except (OpError, text_format.ParseError, UnicodeDecodeError) as error:
        _logger.warning("%s: Checkpoint ignored: %s", path, error)
        return None
    if not state.model_checkpoint_path:
        raise ValueError(f"Invalid checkpoint state loaded from {folder}")
    if not filesystems.is_absolute(state.model_checkpoint_path):
        state.model_checkpoint_path = os.path.join(folder, state.model_checkpoint_path)
    for i, found in enumerate(state.all_model_checkpoint_paths):
        if not filesystems.is_absolute(found):
            state.all_model_checkpoint_paths[i] = os.path.join(folder, found)
    return state


def _matching(pattern: str) -> list[str]:
    folder = os.path.dirname(pattern)
    if folder and not glob.has_magic(folder) and not filesystems.is_directory(folder):
        raise NotFoundError(None, None, f"{folder}; No such file or directory")
    return filesystems.matching(pattern) or ([pattern] if filesystems.exists(pattern) else [])


def _index_files(prefix: str) -> list[str]:
    """The index of a checkpoint in the format V2, also of one whose writer died before it was renamed."""
    return _matching(prefix + ".index") or _matching(prefix + ".index" + files.NEW)


@public("train.latest_checkpoint", "python.training.checkpoint_management.latest_checkpoint")
def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The name of the newest checkpoint in a folder, for `Saver.restore`; None where there is none.

    Args:
      checkpoint_dir: the folder.
      latest_filename: of the file that names it; default "checkpoint".

    Raises:
      NotFoundError: the folder of the checkpoint that it names is gone.

    Example:
      >>> import tempfile
      >>> print(tf.train.latest_checkpoint(tempfile.mkdtemp()))
      None
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    path = state.model_checkpoint_path
    if checkpoint_exists(path):
        return path
    _logger.error("Couldn't match files for checkpoint %s", path)
    return None


@public("train.checkpoint_exists", "python.training.checkpoint_management.checkpoint_exists")
def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a checkpoint of that name, in either format; a name may be a pattern.

    Raises:
      NotFoundError: the folder does not exist.
    """
    prefix = _path(checkpoint_prefix)
    return bool(_index_files(prefix) or _matching(prefix))


@public("train.get_checkpoint_mtimes", "python.training.checkpoint_management.get_checkpoint_mtimes")
def get_checkpoint_mtimes(checkpoint_prefixes: Sequence[str]) -> list[float]:
    """When checkpoints were last written, in seconds since 1970; nothing for those that do not exist."""
    times = []
    for prefix in map(_path, checkpoint_prefixes):
        found = _index_files(prefix) or _matching(prefix)
        if found:
            times.append(filesystems.status(found[0]).mtime_nsec / 1e9)
    return times


@public("python.training.checkpoint_management.meta_graph_filename")
def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The file that holds the meta graph of a checkpoint; the number of a shard is left out of its name."""
    return re.sub(r"-[\d?]+-of-\d+$", "", checkpoint_filename) + "." + meta_graph_suffix


@public("train.remove_checkpoint", "python.training.checkpoint_management.remove_checkpoint")
def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = _V2, meta_graph_suffix: str = "meta"
) -> None:
    """Removes the files of a checkpoint, and its meta graph.

    Args:
      checkpoint_prefix: its name.
      checkpoint_format_version: `tf.train.SaverDef.V2` or `V1`.
      meta_graph_suffix: the ending of the file with the meta graph.
    """
    prefix = _path(checkpoint_prefix)
    _remove(meta_graph_filename(prefix, meta_graph_suffix))
    if checkpoint_format_version == _V2:
        _remove(prefix + ".index")
        _remove(prefix + ".index" + files.NEW)
        _remove(prefix + ".data-?????-of-?????")
        _remove(prefix + ".data-?????-of-?????" + files.NEW)
    else:
        _remove(prefix)


def _remove(pattern: str) -> None:
    for path in _matching(pattern):
        with naming(path):
            os.remove(path)


@public(
    "train.checkpoints_iterator",
    "contrib.training.checkpoints_iterator",
    "contrib.slim.evaluation.checkpoints_iterator",
)
def checkpoints_iterator(
    checkpoint_dir: str,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """The newest checkpoint in a folder, whenever there is a newer one.

    Args:
      checkpoint_dir: the folder.
      min_interval_secs: the least time between two of them.
      timeout: how long to wait for a newer one; default, without end.
      timeout_fn: called when the time is over; True ends the iteration. Without it, that always does.
    """
    path: str | None = None
    while True:
        newer = wait_for_new_checkpoint(checkpoint_dir, path, timeout=timeout)
        if newer is None:
            if timeout_fn is None:
                _logger.info("Timed-out waiting for a checkpoint.")
                return
            if timeout_fn():
                return
            continue
        path, start = newer, time.time()
        yield newer
        time.sleep(max(0.0, min_interval_secs - (time.time() - start)))


@public("contrib.training.wait_for_new_checkpoint", "contrib.slim.evaluation.wait_for_new_checkpoint")
def wait_for_new_checkpoint(
    checkpoint_dir: str,
    last_checkpoint: str | None = None,
    seconds_to_sleep: float = 1,
    timeout: float | None = None,
) -> str | None:
    """Waits until a folder's newest checkpoint is another one than `last_checkpoint`.

    Args:
      checkpoint_dir: the folder.
      last_checkpoint: the one that is known already.
      seconds_to_sleep: between two looks.
      timeout: after this many seconds the result is None; default, never.
    """
    _logger.info("Waiting for new checkpoint at %s", checkpoint_dir)
    stop = None if timeout is None else time.time() + timeout
    while True:
        path = latest_checkpoint(checkpoint_dir)
        if path is not None and path != last_checkpoint:
            _logger.info("Found new checkpoint at %s", path)
            return path
        if stop is not None and time.time() + seconds_to_sleep > stop:
            return None
        time.sleep(seconds_to_sleep)
