"""`tf.train.Saver`: writes variables to checkpoints and restores them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import errors, protos
from millrace.core.collection_protos import register_proto_function
from millrace.core.progress import long_work
from millrace.core.public import public
from millrace.core.scoped_names import in_scope, out_of_scope
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform.log import get_logger
from millrace.saver.builder import BulkSaverBuilder
from millrace.saver.checkpoint import object_graph, state
from millrace.saver.meta_graph import export_meta_graph, import_scoped_meta_graph
from millrace.session.session import BaseSession

_logger = get_logger()
_V2 = 2


def all_saveables(scope: str | None = None) -> list[Any]:
    """What a saver saves that is told nothing: all variables and other saveable objects."""
    graph = get_default_graph()
    variables = graph.get_collection(GraphKeys.GLOBAL_VARIABLES, scope)
    return variables + graph.get_collection(GraphKeys.SAVEABLE_OBJECTS, scope)


@public("train.Saver", "python.training.saver.Saver")
class Saver:
    """Writes variables to checkpoints, keeps the last few of these, and restores variables from them.

    Args:
      var_list: a list of variables, or a dict from names in the checkpoint to variables; default, all
        variables and other saveable objects of the default graph.
      reshape: let the checkpoint's shapes differ from the variables'; the number of elements must agree.
      sharded: write a file for each device.
      max_to_keep: how many checkpoints to keep; None or 0 for all.
      keep_checkpoint_every_n_hours: besides these, keep one for each so many hours.
      name: a scope for the operations; default "save".
      restore_sequentially: taken; a restore sets all variables at once.
      saver_def: the `SaverDef` of operations that the graph has already, to be used instead of new ones.
      builder: a `BaseSaverBuilder` that adds the operations.
      defer_build: add the operations only when `build` is called.
      allow_empty: allow a graph without variables; such a saver does nothing.
      write_version: `tf.train.SaverDef.V2` or `V1`.
      pad_step_number: write the step in eight digits.
      save_relative_paths: write paths relative to the folder into the state file.
      filename: the name used where none is given to the operations.

    Raises:
      TypeError: `var_list` is not a list or dict, or holds something else than variables.
      ValueError: there are no variables, two have the same name, or `defer_build` comes with a `var_list`.

    Example:
      >>> import os, tempfile
      >>> path = os.path.join(tempfile.mkdtemp(), "model")
      >>> w = tf.Variable(1.0, name="w")
      >>> saver = tf.train.Saver()
      >>> with tf.Session() as sess:
      ...     sess.run(w.initializer)
      ...     where = saver.save(sess, path, global_step=3)
      >>> with tf.Session() as another:
      ...     saver.restore(another, where)
      ...     print(another.run(w), os.path.basename(where))
      1.0 model-3
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = _V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or "
                f"var_list=None. Received: {var_list!r}"
            )
        self._var_list = var_list
        self._reshape = reshape
        self._sharded = sharded
        self._max_to_keep = max_to_keep
        self._keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self._name = name
        self._restore_sequentially = restore_sequentially
        self.saver_def: Any = saver_def
        self._builder = builder
        self._is_built = False
        self._allow_empty = allow_empty
        self._is_empty = False
        self._write_version = write_version
        self._pad_step_number = pad_step_number
        self._save_relative_paths = save_relative_paths
        self._filename = filename
        self._last_checkpoints: list[tuple[str, float]] = []
        self._checkpoints_to_be_deleted: list[tuple[str, float]] = []
        self._next_checkpoint_time = math.inf
        if not defer_build:
            self.build()
        if self.saver_def:
            self._check_saver_def()
            self._write_version = self.saver_def.version

    def build(self) -> None:
        """Adds the operations; for a saver made with `defer_build`."""
        if self._is_built:
            return
        if self.saver_def is None:
            self._is_empty = not self._add_operations()
            if self._is_empty:
                self._is_built = True
                return
        elif self._name:  # the scope that the operations were imported into
            message = protos.SaverDef()
            message.CopyFrom(self.saver_def)
            message.filename_tensor_name = in_scope(message.filename_tensor_name, self._name)
            message.save_tensor_name = in_scope(message.save_tensor_name, self._name)
            message.restore_op_name = in_scope(message.restore_op_name, self._name)
            self.saver_def = message
        self._is_built = True
        definition = self._check_saver_def()
        self._next_checkpoint_time = time.time() + definition.keep_checkpoint_every_n_hours * 3600

    def _add_operations(self) -> bool:
        """Adds the operations; False where there is nothing to save."""
        if self._var_list is None:
            self._var_list = all_saveables()
        if not self._var_list:
            if self._allow_empty:
                return False
            raise ValueError("No variables to save")
        builder = BulkSaverBuilder(self._write_version) if self._builder is None else self._builder
        self.saver_def = builder._build_internal(
            self._var_list,
            reshape=self._reshape,
            sharded=self._sharded,
            max_to_keep=self._max_to_keep,
            keep_checkpoint_every_n_hours=self._keep_checkpoint_every_n_hours,
            name=self._name,
            restore_sequentially=self._restore_sequentially,
            filename=self._filename,
        )
        return True

    def _check_saver_def(self) -> Any:
        if not isinstance(self.saver_def, protos.SaverDef):
            raise ValueError(f"saver_def must be a saver_pb2.SaverDef. Received: {self.saver_def!r}")
        if not self.saver_def.save_tensor_name:
            raise ValueError(f"saver_def must specify the save_tensor_name. Received: {self.saver_def}")
        if not self.saver_def.restore_op_name:
            raise ValueError(f"saver_def must specify the restore_op_name. Received: {self.saver_def}")
        return self.saver_def

    # --- as a message ---------------------------------------------------------------------------------------

    def as_saver_def(self) -> Any:
        """The `SaverDef` that names the operations."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The `SaverDef`, with names relative to `export_scope`; None where the saver lies outside of it."""
        if export_scope is None:
            return self.saver_def
        if not self.saver_def.filename_tensor_name.startswith(export_scope):
            return None
        message = protos.SaverDef()
        message.CopyFrom(self.saver_def)
        message.filename_tensor_name = out_of_scope(message.filename_tensor_name, export_scope)
        message.save_tensor_name = out_of_scope(message.save_tensor_name, export_scope)
        message.restore_op_name = out_of_scope(message.restore_op_name, export_scope)
        return message

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """A saver for operations that the graph has already."""
        return Saver(saver_def=saver_def, name=import_scope)

    # --- which checkpoints there are ------------------------------------------------------------------------

    @property
    def last_checkpoints(self) -> list[str]:
        """The names of the checkpoints that are kept, the oldest first."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Makes the saver take these checkpoints, the oldest first, for its own; an old form."""
        if not isinstance(last_checkpoints, list):
            raise AssertionError(f"last_checkpoints is a list. Received: {last_checkpoints!r}")
        self._last_checkpoints = [(path, math.inf) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Sequence[tuple[str, float]]) -> None:
        """Makes the saver take these checkpoints for its own.

        Args:
          last_checkpoints_with_time: names, and times in seconds since 1970, the oldest first.
        """
        if not isinstance(last_checkpoints_with_time, list):
            raise AssertionError(
                f"last_checkpoints_with_time is a list. Received: {last_checkpoints_with_time!r}"
            )
        self._last_checkpoints = last_checkpoints_with_time

    def recover_last_checkpoints(self, checkpoint_paths: Sequence[str]) -> None:
        """Makes the saver take those of `checkpoint_paths` that exist for its own, after a restart."""
        found = []
        for path in checkpoint_paths:
            times = state.get_checkpoint_mtimes([path])
            if times:
                found.append((path, times[0]))
        self.set_last_checkpoints_with_time(found)

    def _record(self, path: str) -> None:
        """Adds a checkpoint to those that are kept, and says which one goes for it."""
        self._last_checkpoints, old = self._kept_with(path)
        self._checkpoints_to_be_deleted += old

    def _kept_with(self, path: str) -> tuple[list[Any], list[Any]]:
        """The checkpoints that are kept once `path` is one of them, and the one which goes for it."""
        if not self.saver_def.max_to_keep:
            return self._last_checkpoints, []
        kept = [one for one in self._last_checkpoints if one[0] != path]
        kept.append((path, time.time()))
        more = len(kept) > self.saver_def.max_to_keep
        return kept[more:], kept[:more]

    def _delete_old(self, meta_graph_suffix: str) -> None:
        if not self._checkpoints_to_be_deleted:
            return
        path, written = self._checkpoints_to_be_deleted.pop(0)
        if written > self._next_checkpoint_time:
            self._next_checkpoint_time += self.saver_def.keep_checkpoint_every_n_hours * 3600
            return
        try:
            state.remove_checkpoint(path, self.saver_def.version, meta_graph_suffix)
        except errors.OpError as error:
            _logger.warning("Ignoring: %s", error)

    # --- saving ---------------------------------------------------------------------------------------------

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Writes a checkpoint.

        Args:
          sess: the session that holds the values.
          save_path: the checkpoint's name: a path to which endings are added.
          global_step: a number, or a tensor or variable that holds one, that is added to the name.
          latest_filename: the file that lists the checkpoints; default "checkpoint".
          meta_graph_suffix: the ending of the file with the graph.
          write_meta_graph: also write the graph.
          write_state: also list the checkpoint.
          strip_default_attrs: leave attributes out of the graph that have their defaults.
          save_debug_info: also write where the operations were created.

        Returns:
          The checkpoint's name, to be handed to `restore`; None where there is nothing to save.

        Raises:
          TypeError: `sess` is not a session.
          ValueError: `latest_filename` has folders in it or is the checkpoint's own name, or the folder does
            not exist.
          RuntimeError: `build` has not been called.
          FailedPreconditionError: a variable has no value.
        """
        if not self._is_built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")
        if not isinstance(sess, BaseSession) and not hasattr(sess, "run"):
            raise TypeError(f"'sess' must be a Session. Received: {sess!r}")
        path = self._checkpoint_name(
            sess, os.fsdecode(save_path), global_step, latest_filename or "checkpoint"
        )
        if self._write_version != _V2:
            _logger.warning("*** Saving in the old format V1, which is larger and slower than V2. ***")
        saved = None
        if not self._is_empty:
            if write_state:
                saved = self._write_and_list(sess, path, latest_filename)
                self._delete_old(meta_graph_suffix)
            else:
                saved = self._write(sess, path)
        if write_meta_graph:
            with sess.graph.as_default():
                self.export_meta_graph(
                    state.meta_graph_filename(path, meta_graph_suffix),
                    strip_default_attrs=strip_default_attrs,
                    save_debug_info=save_debug_info,
                )
        return saved

    def _write_and_list(self, sess: Any, path: str, latest_filename: str | None) -> str:
        """Writes the checkpoint, and says in its folder that it is there."""
        folder = os.path.dirname(path)
        kept = [name for name, _ in self._kept_with(path)[0]]
        listed = state.prepare_state(folder, path, kept, latest_filename, self._save_relative_paths)
        try:
            saved = self._write(sess, path)
            self._record(saved)
            if saved == path and listed.place():
                return saved
        except BaseException:
            listed.discard()
            raise
        listed.discard()
        state.write_state(folder, saved, self.last_checkpoints, latest_filename, self._save_relative_paths)
        return saved

    def _checkpoint_name(self, sess: Any, save_path: str, global_step: Any, latest_filename: str) -> str:
        if os.path.split(latest_filename)[0]:
            raise ValueError(
                f"'latest_filename' must not contain path components. Received: {latest_filename!r}"
            )
        if global_step is None:
            if os.path.basename(save_path) == latest_filename and not self._sharded:
                raise ValueError(
                    "'latest_filename' collides with 'save_path'. "
                    f"Received: {latest_filename!r}, {save_path!r}"
                )
            return save_path
        if not isinstance(global_step, int | np.integer):
            global_step = int(sess.run(global_step))
        return f"{save_path}-{global_step:08d}" if self._pad_step_number else f"{save_path}-{global_step:d}"

    def _write(self, sess: Any, path: str) -> str:
        names = self.saver_def
        try:
            with long_work(f"saving {path}"):
                return os.fsdecode(sess.run(names.save_tensor_name, {names.filename_tensor_name: path}))
        except (errors.FailedPreconditionError, errors.NotFoundError):
            folder = os.path.dirname(path)
            if folder and not os.path.isdir(folder):
                raise ValueError(f"Parent directory of {path} doesn't exist, can't save.") from None
            raise

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: Sequence[str] | None = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """The default graph with this saver as a `MetaGraphDef`; arguments as for the function."""
        return export_meta_graph(
            filename=filename,
            saver_def=self.saver_def,
            collection_list=collection_list,
            as_text=as_text,
            export_scope=export_scope,
            clear_devices=clear_devices,
            clear_extraneous_savers=clear_extraneous_savers,
            strip_default_attrs=strip_default_attrs,
            save_debug_info=save_debug_info,
        )

    # --- restoring ------------------------------------------------------------------------------------------

    def restore(self, sess: Any, save_path: Any) -> None:
        """Sets the variables from a checkpoint; a call that fails changes none.

        Args:
          sess: the session that gets the values.
          save_path: the checkpoint's name, as `save` returned it.

        Raises:
          ValueError: `save_path` is None or is not a checkpoint.
          NotFoundError: the checkpoint lacks a variable.
          InvalidArgumentError: a shape or dtype differs.
          DataLossError: the checkpoint is damaged.
        """
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        path = os.fsdecode(save_path)
        if not state.checkpoint_exists(path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {path}")
        _logger.info("Restoring parameters from %s", path)
        names = self.saver_def
        try:
            with long_work(f"restoring {path}"):
                sess.run(names.restore_op_name, {names.filename_tensor_name: path})
        except errors.NotFoundError as error:
            if "not found in checkpoint" not in error.message:
                raise
            keys = object_graph.keys_by_name(path)
            if keys is None:
                raise _explained(error, "lacks something that the graph restores") from error
            values = object_graph.values_for(sess.graph, names, path, keys, error)
            sess.run(names.restore_op_name, {**values, names.filename_tensor_name: path})
        except errors.InvalidArgumentError as error:
            raise _explained(error, "holds something of another shape or dtype") from error


def _explained(error: errors.OpError, reason: str) -> errors.OpError:
    message = (
        f"The checkpoint does not fit this graph: it {reason}. Was the graph changed since it was written?\n"
        f"{error.message}"
    )
    return type(error)(error.node_def, error.op, message)  # type: ignore[call-arg]


@public("train.import_meta_graph", "python.training.saver.import_meta_graph")
def import_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    **kwargs: Any,
) -> Saver | None:
    """Adds the nodes and collections of a meta graph to the default graph.

    Args:
      meta_graph_or_file: a `MetaGraphDef`, or the file that holds one.
      clear_devices: leave the devices out.
      import_scope: a scope for the nodes.
      **kwargs: `input_map`, `return_elements` and others of `import_graph_def`.

    Returns:
      A saver for its variables: the one it came with, else a new one; None where it has no variables.

    Raises:
      OSError: the file is missing or holds something else.
      ValueError: the nodes cannot be added.
    """
    return import_meta_graph_with_elements(meta_graph_or_file, clear_devices, import_scope, **kwargs)[0]


def import_meta_graph_with_elements(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    return_elements: Any = None,
    **kwargs: Any,
) -> tuple[Saver | None, list[Any] | None]:
    """`import_meta_graph`, which also gives the elements asked for."""
    meta, found = import_scoped_meta_graph(
        meta_graph_or_file,
        clear_devices=clear_devices,
        import_scope=import_scope,
        return_elements=return_elements,
        **kwargs,
    )
    if meta.HasField("saver_def"):
        return Saver(saver_def=meta.saver_def, name=import_scope), found
    if all_saveables(scope=import_scope):
        return Saver(), found
    _logger.info("There is no saver: the graph has no variables to restore.")
    return None, found


def _to_proto(saver: Saver, export_scope: str | None = None) -> Any:
    return saver.to_proto(export_scope)


def _from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
    return Saver.from_proto(saver_def, import_scope)


register_proto_function(GraphKeys.SAVERS, "SaverDef", _to_proto, _from_proto)
