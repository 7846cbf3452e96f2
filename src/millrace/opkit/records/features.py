"""What to read from Example records: the feature classes, sorted into the lists that operations take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import DType, as_dtype, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor

_NO_NAME = re.compile(r"[^A-Za-z0-9_.\-/]")


@public("FixedLenFeature", "io.FixedLenFeature")
class FixedLenFeature(NamedTuple):
    """A feature that holds equally many values in every record.

    Attributes:
      shape: the shape of its values.
      dtype: float32, int64 or string.
      default_value: what a record without it has; None when it is required.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


@public("VarLenFeature", "io.VarLenFeature")
class VarLenFeature(NamedTuple):
    """A feature that holds any number of values, parsed as a SparseTensor.

    Attributes:
      dtype: float32, int64 or string.
    """

    dtype: Any


@public("FixedLenSequenceFeature", "io.FixedLenSequenceFeature")
class FixedLenSequenceFeature(NamedTuple):
    """A feature that holds any number of rows of one shape, parsed as a padded dense tensor.

    Attributes:
      shape: the shape of one row.
      dtype: float32, int64 or string.
      allow_missing: a record without it has no rows.
      default_value: the value that pads; default 0 or "".
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


@public("SparseFeature", "io.SparseFeature")
class SparseFeature(NamedTuple):
    """A SparseTensor stored as two or more features: the places along each dimension, and the values.

    Attributes:
      index_key: name of the feature with the places, or a list of names.
      value_key: name of the feature with the values.
      dtype: dtype of the values.
      size: size of the dimension, or a list of sizes.
      already_sorted: the places are in order within every record.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


@dataclass
class Wanted:
    """Features sorted into parallel lists.

    Attributes:
      sparse_keys, sparse_types: features parsed as sparse tensors.
      dense_keys, dense_types, dense_shapes: features parsed as dense ones.
      defaults: dense key to default, where there is one.
      may_miss: dense keys of sequences that may be missing.
    """

    sparse_keys: list[str] = field(default_factory=list)
    sparse_types: list[DType] = field(default_factory=list)
    dense_keys: list[str] = field(default_factory=list)
    dense_types: list[DType] = field(default_factory=list)
    dense_shapes: list[shapes.Dims] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    may_miss: list[str] = field(default_factory=list)

    def add_sparse(self, key: str, dtype: DType) -> None:
        """Notes a sparse key once, however many features share it."""
        if key in self.sparse_keys:
            known = self.sparse_types[self.sparse_keys.index(key)]
            if known is not dtype:
                raise ValueError(f"Conflicting type {dtype.name} vs {known.name} for feature {key!r}")
            return
        self.sparse_keys.append(key)
        self.sparse_types.append(dtype)

    def add_dense(self, key: str, dtype: DType, dims: shapes.Dims, default: Any = None) -> None:
        """Notes a dense key."""
        self.dense_keys.append(key)
        self.dense_types.append(dtype)
        self.dense_shapes.append(dims)
        if default is not None:
            self.defaults[key] = default


def sort_features(
    features: Mapping[str, Any] | None, allowed: tuple[type, ...], is_sequence: bool = False
) -> Wanted:
    """Sorts a dictionary of features, by key.

    Args:
      features: name to feature; None for none.
      allowed: the feature classes that fit here.
      is_sequence: they are feature lists, whose first dimension is the steps.

    Returns:
      The parallel lists.

    Raises:
      ValueError: a feature is incomplete, of a class that does not fit, or clashes with another.
    """
    wanted = Wanted()
    for key in sorted(features or ()):
        feature = features[key]  # type: ignore[index]
        if not isinstance(feature, allowed):
            raise ValueError(f"Feature {key!r} is not of a supported class. Received: {feature!r}")
        if not feature.dtype:
            raise ValueError(f"Missing type for feature {key!r}. Received: {feature!r}")
        dtype = as_dtype(feature.dtype)
        if isinstance(feature, VarLenFeature):
            wanted.add_sparse(key, dtype)
        elif isinstance(feature, SparseFeature):
            _add_sparse_feature(wanted, key, feature, dtype)
        else:
            _add_dense_feature(wanted, key, feature, dtype, is_sequence)
    return wanted


def _add_sparse_feature(wanted: Wanted, key: str, feature: SparseFeature, dtype: DType) -> None:
    for what in ("index_key", "value_key"):
        if not getattr(feature, what):
            raise ValueError(f"Missing {what} for SparseFeature {key!r}. Received: {feature!r}")
    for index_key in sorted(_index_keys(feature)):
        wanted.add_sparse(index_key, int64)
    wanted.add_sparse(feature.value_key, dtype)


def _index_keys(feature: SparseFeature) -> list[str]:
    return [feature.index_key] if isinstance(feature.index_key, str) else list(feature.index_key)


def _add_dense_feature(wanted: Wanted, key: str, feature: Any, dtype: DType, is_sequence: bool) -> None:
    if feature.shape is None:
        raise ValueError(f"Missing shape for feature {key!r}. Received: {feature!r}")
    dims = shapes.as_dims(feature.shape)
    if isinstance(feature, FixedLenFeature):
        if any(d is None for d in dims or (None,)) if dims != () else False:
            raise ValueError(
                f"First dimension of shape for feature {key!r} unknown. Received: {feature.shape}"
            )
        wanted.add_dense(key, dtype, dims, feature.default_value)
    elif is_sequence:
        if feature.default_value is not None:
            raise ValueError(f"Feature list {key!r} can have no default_value. Received: {feature!r}")
        wanted.add_dense(key, dtype, dims)
        if feature.allow_missing:
            wanted.may_miss.append(key)
    else:
        if not feature.allow_missing:
            raise ValueError(
                "Unsupported: FixedLenSequenceFeature requires allow_missing to be True. "
                f"Received: {feature!r}"
            )
        wanted.add_dense(key, dtype, (None, *dims), feature.default_value)  # pyright: ignore[reportOptionalIterable]


def default_tensors(wanted: Wanted) -> list[Tensor]:
    """The default of every dense key as a tensor: empty for a required one, scalar padding for a variable
    one.

    Raises:
      ValueError: a default does not fit its feature's shape.
    """
    out = []
    for key, dtype, dims in zip(wanted.dense_keys, wanted.dense_types, wanted.dense_shapes, strict=True):
        default = wanted.defaults.get(key)
        is_variable = bool(dims) and dims[0] is None
        if default is None:
            value = np.zeros(() if is_variable else 0, dtype.np_dtype)
            if dtype.np_dtype.kind == "O":
                value.fill(b"")
            out.append(convert_to_tensor(value, dtype, name="Const"))
            continue
        if isinstance(default, Tensor):
            out.append(default)
            continue
        name = ("padding_" if is_variable else "key_") + _NO_NAME.sub("_", key)
        tensor = convert_to_tensor(default, dtype, name=name)
        out.append(raw.Reshape(tensor, np.array(() if is_variable else dims, np.int32)))
    return out


def merge_sparse_features(features: Mapping[str, Any], parsed: dict[str, Any]) -> dict[str, Any]:
    """Puts every SparseFeature together from its parts, and leaves out parts that were not asked for.

    Args:
      features: name to feature.
      parsed: name to what was parsed; SparseTensors for the parts.
    """
    out = {key: value for key, value in parsed.items() if key in features}
    for key in sorted(features):
        if isinstance(features[key], SparseFeature):
            out[key] = _merge(features[key], parsed)
    return out


def _merge(feature: SparseFeature, parsed: dict[str, Any]) -> SparseTensor:
    places = [parsed[key] for key in _index_keys(feature)]
    sizes = [feature.size] if isinstance(feature.index_key, str) else list(feature.size)
    if len(sizes) != len(places):
        raise ValueError(
            f"SparseFeature: size must have as many elements as index_key. Received: {feature!r}"
        )
    values = parsed[feature.value_key].values
    rows, outer = places[0].indices[:, :-1], places[0].dense_shape[:-1]
    columns = [raw.ExpandDims(place.values, np.int32(1)) for place in places]
    indices = raw.ConcatV2([rows, *columns], np.int32(1))
    dense_shape = raw.ConcatV2([outer, np.array(sizes, np.int64)], np.int32(0))
    if not feature.already_sorted:
        indices, values = raw.SparseReorder(indices, values, dense_shape)
    return SparseTensor(indices, values, dense_shape)
