"""Operations that take all elements of a dataset themselves."""

from __future__ import annotations

import contextlib

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import flag, function, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets import iterators
from millrace.opkit.datasets.base import Dataset, Run, ended_or_raise
from millrace.opkit.datasets.declaring import ELEMENT
from millrace.opkit.datasets.mapping import as_dataset


@declare(
    "DatasetToSingleElement(dataset: variant) -> components: output_types",
    **ELEMENT,
    effect=True,
    host=True,
    blocking=True,
    alias=True,
)
class DatasetToSingleElement:
    """The one element of a dataset."""

    def shape(dataset, output_shapes):
        return list(output_shapes)

    def kernel(xp, dataset):
        with contextlib.closing(Run().elements(as_dataset(dataset))) as elements:
            element = next(elements, None)
            if element is None:
                raise refusal("Dataset was empty.")
            if next(elements, None) is not None:
                raise refusal("Dataset had more than one element.")
        return element

    grad = NOT_DIFFERENTIABLE


@declare(
    "ReduceDataset(input_dataset: variant, initial_state: Tstate, other_arguments: Targuments) -> "
    "components: "
    "output_types",
    f=function(),
    Tstate=types(minimum=1),
    Targuments=types(()),
    **ELEMENT,
    use_inter_op_parallelism=flag(True),
    effect=True,
    host=True,
    blocking=True,
    alias=True,
)
class ReduceDataset:
    """What `f` of the state and each element makes of the state."""

    def shape(input_dataset, initial_state, other_arguments, output_shapes):
        return list(output_shapes)

    def kernel(xp, input_dataset, initial_state, other_arguments, f, op):
        dataset, run = as_dataset(input_dataset), Run()
        call = run.start(f, other_arguments)
        state, count = tuple(initial_state), 0
        try:
            with contextlib.closing(run.elements(dataset)) as elements:
                for element in elements:
                    count += 1
                    state = call(*state, *element)
        except Exception as error:
            ended_or_raise(error, _Named(op), run, count - 1)
        return tuple(state)

    grad = NOT_DIFFERENTIABLE


class _Named(Dataset):
    """An operation that takes elements itself, for messages."""


@declare("DatasetCardinality(input_dataset: variant) -> cardinality: int64", host=True)
class DatasetCardinality:
    """How many elements there are; -1 for no end, -2 where that is not known."""

    def shape(input_dataset):
        return ()

    def kernel(xp, input_dataset):
        return np.int64(as_dataset(input_dataset).cardinality())

    grad = NOT_DIFFERENTIABLE


@declare("ExperimentalDatasetCardinality(input_dataset: variant) -> cardinality: int64", host=True)
class ExperimentalDatasetCardinality:
    """How many elements there are; -1 for no end, -2 where that is not known."""

    def shape(input_dataset):
        return ()

    def kernel(xp, input_dataset):
        return np.int64(as_dataset(input_dataset).cardinality())

    grad = NOT_DIFFERENTIABLE


@declare(
    "DatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string)",
    effect=True,
    host=True,
    blocking=True,
)
class DatasetToTFRecord:
    """Writes the elements, strings, to a file of records."""

    def shape(input_dataset, filename, compression_type):
        return []

    def kernel(xp, input_dataset, filename, compression_type):
        iterators.write_records(as_dataset(input_dataset), filename, compression_type)
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "ExperimentalDatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string)",
    effect=True,
    host=True,
    blocking=True,
)
class ExperimentalDatasetToTFRecord:
    """Writes the elements, strings, to a file of records."""

    def shape(input_dataset, filename, compression_type):
        return []

    def kernel(xp, input_dataset, filename, compression_type):
        iterators.write_records(as_dataset(input_dataset), filename, compression_type)
        return []

    grad = NOT_DIFFERENTIABLE


@declare("WrapDatasetVariant(input_handle: variant) -> output_handle: variant", host=True, alias=True)
class WrapDatasetVariant:
    """The dataset."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return input_handle

    grad = NOT_DIFFERENTIABLE


@declare("UnwrapDatasetVariant(input_handle: variant) -> output_handle: variant", host=True, alias=True)
class UnwrapDatasetVariant:
    """The dataset."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return input_handle

    grad = NOT_DIFFERENTIABLE
