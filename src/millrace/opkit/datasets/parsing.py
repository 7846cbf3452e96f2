"""The dataset that parses Examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.opkit.datasets.base import Dataset, Element, Run, Stage, Through, told
from millrace.opkit.records import example as bytes_example
from millrace.opkit.records.example import Dense, Sparse
from millrace.opkit.sparse import packed
from millrace.opkit.text.pieces import attr_bytes, strings


class ParseExamples(Dataset):
    """Vectors of serialized Examples as their features: dense and sparse ones in order of their keys."""

    owns = True

    def _take_inputs(self, input_dataset: Dataset, num_parallel_calls: Any, dense_defaults: Any) -> None:
        attrs = self.attrs
        self.sparse = [
            Sparse(attr_bytes(key), dtype.np_dtype)
            for key, dtype in zip(attrs["sparse_keys"], attrs["sparse_types"], strict=True)
        ]
        self.dense = []
        for key, default, dims in zip(
            attrs["dense_keys"], dense_defaults, attrs["dense_shapes"], strict=True
        ):
            value = strings(default) if isinstance(default, bytes) else np.asarray(default)
            shape = tuple(-1 if d is None else d for d in dims or ())
            self.dense.append(Dense(attr_bytes(key), value.dtype, shape, value if value.size else None))
        keys = [*attrs["sparse_keys"], *attrs["dense_keys"]]
        self.order = sorted(range(len(keys)), key=lambda i: attr_bytes(keys[i]))

    def start(self, run: Run) -> Stage:
        return _Parsed(self, run)


class _Parsed(Through):
    __slots__ = ("_dataset",)

    def __init__(self, dataset: ParseExamples, run: Run) -> None:
        super().__init__(dataset, run)
        self._dataset = dataset

    def next(self) -> Element | None:
        element = self.input.next()
        if element is None:
            return None
        dataset = self._dataset
        try:
            sparse, dense = bytes_example.parse_examples(
                strings(element[0]).tolist(), [], dataset.sparse, dataset.dense
            )
        except Exception as error:
            raise told(error, dataset.place) from None
        found = [*(packed.pack(*parts) for parts in sparse), *dense]
        return tuple([found[i] for i in dataset.order])
