"""The part of a graph that saves and restores: node for node what TensorFlow 1.15 adds."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, device, name_scope
from millrace.core import protos, shapes
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.device import DeviceSpec
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group, with_dependencies
from millrace.saver.saveables import (
    ReferenceVariableSaveable,
    ResourceVariableSaveable,
    validate_and_slice_inputs,
)

_V1, _V2 = 1, 2


def _on_host(place: str) -> str:
    """The CPU beside a device."""
    spec = DeviceSpec.from_string(place or "")
    return spec.make_merged_spec(DeviceSpec(device_type="CPU", device_index=0)).to_string()


def _placed(place: str | None) -> Any:
    return device(place) if place else contextlib.nullcontext()


@public("python.training.saver.BaseSaverBuilder")
class BaseSaverBuilder:
    """Adds the operations of a saver to a graph; each saved thing is restored by an operation of its own.

    Args:
      write_version: the format, `tf.train.SaverDef.V2` or `V1`.
    """

    SaveSpec = SaveSpec
    SaveableObject = SaveableObject
    VariableSaveable = ReferenceVariableSaveable
    ResourceVariableSaveable = ResourceVariableSaveable

    def __init__(self, write_version: int = _V2) -> None:
        self._write_version = write_version

    # --- what subclasses change -----------------------------------------------------------------------------

    def save_op(self, filename_tensor: Any, saveables: Sequence[SaveableObject]) -> Operation:
        """Adds the operation that writes `saveables` to the file `filename_tensor`."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        names, parts = [spec.name for spec in specs], [spec.slice_spec for spec in specs]
        tensors = [spec.tensor for spec in specs]
        if self._write_version == _V1:
            return raw.SaveSlices(filename_tensor, names, parts, tensors, name="save")
        if self._write_version != _V2:
            raise RuntimeError(f"Unexpected write_version. Received: {self._write_version}")
        return raw.SaveV2(filename_tensor, names, parts, tensors)

    def bulk_restore(
        self,
        filename_tensor: Any,
        saveables: Sequence[SaveableObject],
        preferred_shard: int,
        restore_sequentially: bool,
    ) -> list[Tensor]:
        """Adds the operations that read all of `saveables`; returns a tensor for each of their specs."""
        tensors: list[Tensor] = []
        for saveable in saveables:
            with _placed(_on_host(saveable.device) if saveable.device else None):
                tensors.extend(self.restore_op(filename_tensor, saveable, preferred_shard))
        return tensors

    def restore_op(
        self, filename_tensor: Any, saveable: SaveableObject, preferred_shard: int
    ) -> list[Tensor]:
        """Adds the operations that read one saved thing."""
        return [
            raw.RestoreV2(filename_tensor, [spec.name], [spec.slice_spec], dtypes=[spec.dtype])[0]
            for spec in saveable.specs
        ]

    def sharded_filename(self, filename_tensor: Any, shard: int, num_shards: Any) -> Tensor:
        """Adds the operation that names a shard."""
        return raw.ShardedFilename(filename_tensor, shard, num_shards)

    # --- the whole ------------------------------------------------------------------------------------------

    def build(
        self,
        names_to_saveables: Any,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        filename: str | None = "model",
    ) -> Any:
        """Adds a saver's operations; returns the `SaverDef` that names them. Arguments as for `Saver`."""
        return self._build_internal(
            names_to_saveables,
            reshape,
            sharded,
            max_to_keep,
            keep_checkpoint_every_n_hours,
            name,
            restore_sequentially,
            filename,
        )

    def _build_internal(
        self,
        names_to_saveables: Any,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        filename: str | None = "model",
        build_save: bool = True,
        build_restore: bool = True,
    ) -> Any:
        saveables = validate_and_slice_inputs(names_to_saveables)
        values = [s.op for s in saveables if isinstance(s.op, Tensor | Operation)]
        with name_scope(name, "save", values):
            default = raw.PlaceholderWithDefault(filename or "model", shape=(), name="filename")
            filename_tensor = raw.PlaceholderWithDefault(default, shape=(), name="Const")
            saved: Any = None
            restored: Any = None
            if sharded:
                per_device = _by_device(saveables)
                if build_save:
                    saved = self._save_shards(filename_tensor, per_device)
                if build_restore:
                    restored = self._restore_shards(
                        filename_tensor, per_device, restore_sequentially, reshape
                    )
            else:
                if build_save:
                    saved = self._save(filename_tensor, saveables)
                if build_restore:
                    restored = self._restore(filename_tensor, saveables, restore_sequentially, reshape)
        return protos.SaverDef(
            filename_tensor_name=filename_tensor.name,
            save_tensor_name=saved.name if build_save else "",
            restore_op_name=restored.name if build_restore else "",
            max_to_keep=max_to_keep or 0,
            sharded=sharded,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            version=self._write_version,
        )

    # --- saving ---------------------------------------------------------------------------------------------

    def _save(self, filename_tensor: Any, saveables: Sequence[SaveableObject]) -> Tensor:
        return with_dependencies([self.save_op(filename_tensor, saveables)], filename_tensor)

    def _save_shards(self, prefix: Tensor, per_device: list[tuple[str, list[SaveableObject]]]) -> Tensor:
        if self._write_version == _V1:
            return self._save_shards_v1(prefix, per_device)
        # What is written below a name of its own is found only when all of it has been moved.
        joined = raw.StringJoin([prefix, f"_temp_{uuid.uuid4().hex}/part"])
        count = convert_to_tensor(len(per_device), name="num_shards")
        names, saves = [], []
        place = ""
        for shard, (owner, saveables) in enumerate(per_device):
            place = _on_host(owner)
            with device(place):
                names.append(self.sharded_filename(joined, shard, count))
                saves.append(self._save(names[-1], saveables))
        with device(place), control_dependencies([save.op for save in saves]):
            merged = raw.MergeV2Checkpoints(names, prefix, delete_old_dirs=True)
            with control_dependencies([merged]):
                return raw.Identity(prefix)

    def _save_shards_v1(self, prefix: Tensor, per_device: list[tuple[str, list[SaveableObject]]]) -> Tensor:
        count = convert_to_tensor(len(per_device), name="num_shards")
        saves = []
        for shard, (owner, saveables) in enumerate(per_device):
            with _placed(owner):
                saves.append(self._save(self.sharded_filename(prefix, shard, count), saveables))
        with control_dependencies([save.op for save in saves]):
            return raw.ShardedFilespec(prefix, count)

    # --- restoring ------------------------------------------------------------------------------------------

    def _restore(
        self,
        filename_tensor: Any,
        saveables: Sequence[SaveableObject],
        restore_sequentially: bool,
        reshape: bool,
        preferred_shard: int = -1,
        name: str = "restore_all",
    ) -> Operation:
        tensors = self.bulk_restore(filename_tensor, saveables, preferred_shard, restore_sequentially)
        assigned: list[Any] = []
        at = 0
        for saveable in saveables:
            specs = saveable.specs
            sizes = [_shape_of(spec.tensor) for spec in specs] if reshape else None
            assigned.append(saveable.restore(tensors[at : at + len(specs)], sizes))
            at += len(specs)
        return group(*assigned, name=name)

    def _restore_shards(
        self,
        filename_tensor: Any,
        per_device: list[tuple[str, list[SaveableObject]]],
        restore_sequentially: bool,
        reshape: bool,
    ) -> Operation:
        restored = []
        for shard, (owner, saveables) in enumerate(per_device):
            with _placed(owner):
                restored.append(
                    self._restore(
                        filename_tensor, saveables, restore_sequentially, reshape, shard, "restore_shard"
                    )
                )
        return group(*restored, name="restore_all")


@public("python.training.saver.BulkSaverBuilder")
class BulkSaverBuilder(BaseSaverBuilder):
    """Adds the operations of a saver to a graph; all things are restored by one operation."""

    def bulk_restore(
        self,
        filename_tensor: Any,
        saveables: Sequence[SaveableObject],
        preferred_shard: int,
        restore_sequentially: bool,
    ) -> list[Tensor]:
        """Adds the operation that reads all of `saveables`; returns a tensor for each of their specs."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        with device("cpu:0"):
            return raw.RestoreV2(
                filename_tensor,
                [spec.name for spec in specs],
                [spec.slice_spec for spec in specs],
                dtypes=[spec.dtype.base_dtype for spec in specs],
            )


def _shape_of(value: Any) -> Any:
    """A tensor's static shape, or the operation that computes it."""
    tensor = convert_to_tensor(value) if not isinstance(value, Tensor) else value
    if shapes.fully_defined(tensor.dims):
        return list(tensor.dims or ())
    return raw.Shape(tensor)


def _by_device(saveables: Sequence[SaveableObject]) -> list[tuple[str, list[SaveableObject]]]:
    """The devices in the order of their names, with what is on each.

    A part of a variable with a handle counts as being where its read puts the value, on the CPU.
    """
    found: dict[str, list[SaveableObject]] = {}
    for saveable in saveables:
        owners = {spec.tensor.device for spec in saveable.specs}
        if len(owners) > 1:
            raise ValueError(
                f"All tensors of saveable {saveable.name} must be on the same device. Received: {owners}"
            )
        found.setdefault(DeviceSpec.from_string(owners.pop() or "").to_string(), []).append(saveable)
    return sorted(found.items())
