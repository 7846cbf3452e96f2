"""Datasets of `tf.train.Example` records: parsed, batched, shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.datasets.csv import shuffled_and_repeated
from millrace.datasets.dataset import Dataset
from millrace.datasets.elements import attrs_of, int64
from millrace.datasets.interleaving import parallel_interleave
from millrace.datasets.readers import TFRecordDataset
from millrace.datasets.specs import SparseTensorSpec, TensorSpec
from millrace.opkit.records.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
    default_tensors,
    merge_sparse_features,
    sort_features,
)

_KINDS = (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature)


@public("data.experimental.parse_example_dataset", "contrib.data.parse_example_dataset")
def parse_example_dataset(features: Mapping[str, Any], num_parallel_calls: Any = 1) -> Callable[[Any], Any]:
    """Vectors of serialized Examples as dictionaries of their features.

    Args:
      features: name to `FixedLenFeature`, `VarLenFeature`, `FixedLenSequenceFeature` or `SparseFeature`.
      num_parallel_calls: accepted.

    Raises:
      ValueError: `features` is empty.
      TypeError: elements are not vectors of strings.
    """
    if not features:
        raise ValueError("Missing: features was %s." % (features,))  # noqa: UP031

    def transform(dataset: Any) -> Any:
        spec = dataset.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype is not dtypes.string:
            raise TypeError(f"Input dataset should be a dataset of vectors of strings. Received: {spec}")
        found = _parsed(dataset, features, num_parallel_calls)
        if any(isinstance(feature, SparseFeature) for feature in features.values()):
            return found.map(lambda parsed: merge_sparse_features(features, parsed), num_parallel_calls)
        return found

    return transform


def _parsed(dataset: Any, features: Mapping[str, Any], num_parallel_calls: Any) -> Any:
    wanted = sort_features(features, _KINDS)
    defaults = default_tensors(wanted)
    dims = shapes.as_dims(dataset.element_spec.shape)
    batch = None if dims is None else dims[0]
    structure: dict[str, Any] = {
        key: SparseTensorSpec([batch, None], dtype)
        for key, dtype in zip(wanted.sparse_keys, wanted.sparse_types, strict=True)
    }
    for key, dtype, known in zip(wanted.dense_keys, wanted.dense_types, wanted.dense_shapes, strict=True):
        structure[key] = TensorSpec([batch, *(known or ())], dtype)
    with name_scope("ParseExampleDataset") as scope:
        made = raw.ParseExampleDataset(
            dataset._variant_tensor,
            int64(num_parallel_calls, "num_parallel_calls"),
            defaults,
            sparse_keys=wanted.sparse_keys,
            sparse_types=wanted.sparse_types,
            dense_keys=wanted.dense_keys,
            dense_shapes=wanted.dense_shapes,
            Tdense=wanted.dense_types,
            name=scope,
            **attrs_of(structure),
        )
    return dataset._of(made, structure, dataset)


@public("data.experimental.make_batched_features_dataset", "contrib.data.make_batched_features_dataset")
def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: int,
    features: Mapping[str, Any],
    reader: Any = TFRecordDataset,
    label_key: str | None = None,
    reader_args: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    reader_num_threads: int | None = None,
    parser_num_threads: int | None = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Dataset:
    """Batches of Examples from files, as dictionaries of features, or pairs of such a dictionary and a label.

    Args:
      file_pattern: one pattern of file names, or several.
      batch_size: how many Examples.
      features: as for `parse_example_dataset`.
      reader: of a file name to a dataset of serialized Examples.
      label_key: the feature that is the label.
      reader_args: further arguments of `reader`.
      num_epochs: how often; without end where it is None.
      shuffle, shuffle_buffer_size, shuffle_seed: whether and how Examples are shuffled.
      prefetch_buffer_size: batches made ahead.
      reader_num_threads: files that take turns.
      parser_num_threads: accepted.
      sloppy_ordering: accepted; the order is always the same.
      drop_final_batch: leave out a last batch that is smaller.

    Raises:
      ValueError: `label_key` is not a feature.
    """
    files = Dataset.list_files(file_pattern, shuffle=shuffle, seed=shuffle_seed)
    arguments = reader_args or []
    dataset = files.apply(
        parallel_interleave(
            lambda filename: reader(filename, *arguments),
            cycle_length=1 if reader_num_threads is None else reader_num_threads,
            sloppy=sloppy_ordering,
        )
    )
    if dataset.output_types == (dtypes.string, dtypes.string):
        dataset = dataset.map(lambda _, value: value)
    dataset = shuffled_and_repeated(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    dataset = dataset.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    threads = 2 if parser_num_threads is None else parser_num_threads
    dataset = dataset.apply(parse_example_dataset(features, threads))
    if label_key is not None:
        if label_key not in features:
            raise ValueError(
                f"The `label_key` provided ({label_key!r}) must be one of the features keys: "
                f"{list(features)}."
            )
        dataset = dataset.map(lambda parsed: (parsed, parsed.pop(label_key)))
    return dataset.prefetch(-1 if prefetch_buffer_size is None else prefetch_buffer_size)


@public("contrib.data.read_batch_features")
def read_batch_features(
    file_pattern: Any,
    batch_size: int,
    features: Mapping[str, Any],
    reader: Any = TFRecordDataset,
    reader_args: Any = None,
    randomize_input: bool = True,
    num_epochs: int | None = None,
    capacity: int = 10000,
) -> Any:
    """One batch of Examples from files, as a dictionary of tensors: `make_batched_features_dataset` with
    an iterator.

    Args:
      file_pattern, batch_size, features, reader, reader_args, num_epochs: as there.
      randomize_input: shuffle.
      capacity: of the buffer to shuffle in.
    """
    dataset = make_batched_features_dataset(
        file_pattern,
        batch_size,
        features,
        reader=reader,
        reader_args=reader_args,
        shuffle=randomize_input,
        num_epochs=num_epochs,
        shuffle_buffer_size=capacity,
    )
    return dataset.make_one_shot_iterator().get_next()
