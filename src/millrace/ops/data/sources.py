"""Datasets from values."""

from __future__ import annotations

from millrace.core import dtypes
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import function, types
from millrace.opkit.datasets import sources
from millrace.opkit.datasets.declaring import dataset

TensorDataset = dataset(
    "TensorDataset(components: Toutput_types) -> handle: variant",
    sources.Tensors,
    __name__,
    Toutput_types=types(minimum=1),
    typed=False,
)
TensorSliceDataset = dataset(
    "TensorSliceDataset(components: Toutput_types) -> handle: variant",
    sources.Slices,
    __name__,
    Toutput_types=types(minimum=1),
    typed=False,
)
SparseTensorSliceDataset = dataset(
    "SparseTensorSliceDataset(indices: int64, values: Tvalues, dense_shape: int64) -> handle: variant",
    sources.SparseSlices,
    __name__,
    Tvalues=dtype_attr(dtypes.ALL),
    typed=False,
    shaped=False,
)
RangeDataset = dataset(
    "RangeDataset(start: int64, stop: int64, step: int64) -> handle: variant", sources.Range, __name__
)
RandomDataset = dataset(
    "RandomDataset(seed: int64, seed2: int64) -> handle: variant", sources.RandomNumbers, __name__
)
ExperimentalRandomDataset = dataset(
    "ExperimentalRandomDataset(seed: int64, seed2: int64) -> handle: variant", sources.RandomNumbers, __name__
)
GeneratorDataset = dataset(
    "GeneratorDataset(init_func_other_args: Tinit_func_args, next_func_other_args: Tnext_func_args, "
    "finalize_func_other_args: Tfinalize_func_args) -> handle: variant",
    sources.Generator,
    __name__,
    init_func=function(),
    next_func=function(),
    finalize_func=function(),
    Tinit_func_args=types(()),
    Tnext_func_args=types(()),
    Tfinalize_func_args=types(()),
)
