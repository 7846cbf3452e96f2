"""Checkpoints: writing and reading tensors by name, in the formats V2 and V1."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from millrace.core.dtypes import ALL
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.graph import attrs
from millrace.graph.attrs import flag, integer, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.checkpoint import bundle, legacy, slices
from millrace.opkit.checkpoint.reading import read_tensors
from millrace.opkit.rules import shape_rules
from millrace.opkit.text.pieces import array_of, objects, strings


def _text(value: Any) -> str:
    return os.fsdecode(strings(value).item())


def _texts(value: Any) -> list[str]:
    return [os.fsdecode(text) for text in strings(value).ravel().tolist()]


def _check_lengths(op: str, *lists: Any) -> None:
    if len({len(part) for part in lists}) != 1:
        raise refusal(
            f"{op}: there must be as many names, shapes and slices, and tensors. "
            f"Received: {', '.join(str(len(part)) for part in lists)}",
        )


def _sliced_shape(specification: Any) -> tuple[int, ...] | None:
    """The static shape of what a shape and a slice stand for."""
    text = os.fsdecode(specification)
    if not text:
        return None
    try:
        whole, part = slices.parse_specification(text)
    except InvalidArgumentError as error:
        raise ValueError(error.message) from None
    return part.shape_in(whole)


# --- the format V2 ------------------------------------------------------------------------------------------


@declare(
    "SaveV2(prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes)",
    dtypes=types(minimum=1),
    effect=True,
    host=True,
)
class SaveV2:
    """Writes tensors to a checkpoint, in place of the one of that name."""

    def shape(prefix, tensor_names, shape_and_slices, tensors):
        shape_rules.with_rank(prefix, 0, "prefix")
        shape_rules.with_rank(tensor_names, 1, "tensor_names")
        shape_rules.with_rank(shape_and_slices, 1, "shape_and_slices")
        return []

    def kernel(xp, prefix, tensor_names, shape_and_slices, tensors, dtypes):
        names, parts = _texts(tensor_names), _texts(shape_and_slices)
        _check_lengths("SaveV2", names, parts, tensors)
        bundle.write(_text(prefix), list(zip(names, parts, dtypes, tensors, strict=True)))
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "RestoreV2(prefix: string, tensor_names: string, shape_and_slices: string) -> tensors: dtypes",
    dtypes=types(minimum=1),
    static=("shape_and_slices",),
    effect=True,
    host=True,
)
class RestoreV2:
    """Reads tensors from a checkpoint of either format."""

    def shape(prefix, tensor_names, shape_and_slices, dtypes):
        shape_rules.with_rank(prefix, 0, "prefix")
        shape_rules.with_rank(tensor_names, 1, "tensor_names")
        shape_rules.with_rank(shape_and_slices.dims, 1, "shape_and_slices")
        known = shape_and_slices.value
        if known is None or len(known) != len(dtypes):
            return [None] * len(dtypes)
        return [_sliced_shape(text) for text in known.tolist()]

    def kernel(xp, prefix, tensor_names, shape_and_slices, dtypes):
        names, parts = _texts(tensor_names), _texts(shape_and_slices)
        _check_lengths("RestoreV2", names, parts, dtypes)
        return read_tensors(_text(prefix), names, parts, dtypes)

    grad = NOT_DIFFERENTIABLE


@declare(
    "MergeV2Checkpoints(checkpoint_prefixes: string, destination_prefix: string)",
    delete_old_dirs=flag(True),
    effect=True,
    host=True,
)
class MergeV2Checkpoints:
    """Makes one checkpoint of the shards that several devices wrote."""

    def shape(checkpoint_prefixes, destination_prefix):
        shape_rules.with_rank(checkpoint_prefixes, 1, "checkpoint_prefixes")
        shape_rules.with_rank(destination_prefix, 0, "destination_prefix")
        return []

    def kernel(xp, checkpoint_prefixes, destination_prefix, delete_old_dirs):
        prefixes, target = _texts(checkpoint_prefixes), _text(destination_prefix)
        bundle.merge(prefixes, target)
        if delete_old_dirs:
            for folder in {os.path.dirname(prefix) for prefix in prefixes}:
                if folder != os.path.dirname(target) and not os.listdir(folder):
                    os.rmdir(folder)
        return []

    grad = NOT_DIFFERENTIABLE


# --- names of shards ----------------------------------------------------------------------------------------


def _each(function: Any, *arrays: Any) -> Any:
    """An elementwise function of scalars of strings and numbers."""
    found = np.broadcast_arrays(*(array_of(a) for a in arrays))
    texts = [function(*values) for values in zip(*(a.ravel().tolist() for a in found), strict=True)]
    return objects(texts, found[0].shape)


@declare("ShardedFilename(basename: string, shard: int32, num_shards: int32) -> filename: string", host=True)
class ShardedFilename:
    """`NAME-00001-of-00004`."""

    def shape(basename, shard, num_shards):
        for name, dims in (("basename", basename), ("shard", shard), ("num_shards", num_shards)):
            shape_rules.with_rank(dims, 0, name)
        return ()

    def kernel(xp, basename, shard, num_shards):
        return _each(
            lambda base, k, count: b"%s-%05d-of-%05d" % (base, k, count), basename, shard, num_shards
        )

    grad = NOT_DIFFERENTIABLE


@declare("ShardedFilespec(basename: string, num_shards: int32) -> filename: string", host=True)
class ShardedFilespec:
    """`NAME-?????-of-00004`, a pattern for all shards."""

    def shape(basename, num_shards):
        for name, dims in (("basename", basename), ("num_shards", num_shards)):
            shape_rules.with_rank(dims, 0, name)
        return ()

    def kernel(xp, basename, num_shards):
        return _each(lambda base, count: b"%s-?????-of-%05d" % (base, count), basename, num_shards)

    grad = NOT_DIFFERENTIABLE


# --- the format V1 ------------------------------------------------------------------------------------------


@declare("Save(filename: string, tensor_names: string, data: T)", T=types(minimum=1), effect=True, host=True)
class Save:
    """Writes tensors to one file in the format V1."""

    def shape(filename, tensor_names, data):
        shape_rules.with_rank(filename, 0, "filename")
        shape_rules.with_rank(tensor_names, 1, "tensor_names")
        return []

    def kernel(xp, filename, tensor_names, data, T):
        names = _texts(tensor_names)
        _check_lengths("Save", names, data)
        legacy.write(_text(filename), [(n, "", t, value) for n, t, value in zip(names, T, data, strict=True)])
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "SaveSlices(filename: string, tensor_names: string, shapes_and_slices: string, data: T)",
    T=types(minimum=1),
    effect=True,
    host=True,
)
class SaveSlices:
    """Writes tensors, or parts of larger ones, to one file in the format V1."""

    def shape(filename, tensor_names, shapes_and_slices, data):
        shape_rules.with_rank(filename, 0, "filename")
        shape_rules.with_rank(tensor_names, 1, "tensor_names")
        shape_rules.with_rank(shapes_and_slices, 1, "shapes_and_slices")
        return []

    def kernel(xp, filename, tensor_names, shapes_and_slices, data, T):
        names, parts = _texts(tensor_names), _texts(shapes_and_slices)
        _check_lengths("SaveSlices", names, parts, data)
        legacy.write(_text(filename), list(zip(names, parts, T, data, strict=True)))
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "Restore(file_pattern: string, tensor_name: string) -> tensor: dt",
    dt=attrs.dtype(ALL),
    preferred_shard=integer(-1),
    effect=True,
    host=True,
)
class Restore:
    """Reads one tensor."""

    def shape(file_pattern, tensor_name):
        shape_rules.with_rank(file_pattern, 0, "file_pattern")
        shape_rules.with_rank(tensor_name, 0, "tensor_name")
        return None

    def kernel(xp, file_pattern, tensor_name, dt):
        return read_tensors(_text(file_pattern), [_text(tensor_name)], [""], [dt])[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "RestoreSlice(file_pattern: string, tensor_name: string, shape_and_slice: string) -> tensor: dt",
    dt=attrs.dtype(ALL),
    preferred_shard=integer(-1),
    static=("shape_and_slice",),
    effect=True,
    host=True,
)
class RestoreSlice:
    """Reads one tensor, or a part of it."""

    def shape(file_pattern, tensor_name, shape_and_slice):
        shape_rules.with_rank(file_pattern, 0, "file_pattern")
        shape_rules.with_rank(tensor_name, 0, "tensor_name")
        known = shape_and_slice.value
        return None if known is None else _sliced_shape(strings(known).item())

    def kernel(xp, file_pattern, tensor_name, shape_and_slice, dt):
        names, parts = [_text(tensor_name)], [_text(shape_and_slice)]
        return read_tensors(_text(file_pattern), names, parts, [dt])[0]

    grad = NOT_DIFFERENTIABLE
