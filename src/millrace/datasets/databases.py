"""Datasets of rows of databases: `SqlDataset`, `LMDBDataset`."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.datasets import nesting
from millrace.datasets.dataset import Dataset
from millrace.datasets.elements import attrs_of
from millrace.datasets.specs import TensorSpec


@public("data.experimental.SqlDataset", "contrib.data.SqlDataset")
class SqlDataset(Dataset):
    """The rows of a query.

    Args:
      driver_name: "sqlite".
      data_source_name: the file of the database.
      query: in SQL.
      output_types: a tuple of a dtype for each column.
    """

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any) -> None:
        driver = convert.to_tensor(driver_name, dtypes.string, "driver_name")
        source = convert.to_tensor(data_source_name, dtypes.string, "data_source_name")
        text = convert.to_tensor(query, dtypes.string, "query")
        structure = nesting.map_structure(lambda dtype: TensorSpec([], dtype), output_types)
        super().__init__(raw.SqlDataset(driver, source, text, **attrs_of(structure)), structure)


@public("contrib.data.LMDBDataset")
class LMDBDataset(Dataset):
    """The keys and values of LMDB databases, as pairs of strings (needs the package lmdb).

    Args:
      filenames: of the databases.
    """

    def __init__(self, filenames: Any) -> None:
        names = convert.to_tensor(filenames, dtypes.string, "filenames")
        structure = (TensorSpec([], dtypes.string), TensorSpec([], dtypes.string))
        super().__init__(raw.LMDBDataset(names, **attrs_of(structure)), structure)
