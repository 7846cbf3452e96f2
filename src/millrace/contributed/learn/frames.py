"""`tf.contrib.learn`: tables of pandas and dask as arrays."""

from __future__ import annotations

import importlib.util
from typing import Any

from millrace.core.public import public

_KINDS = "biuf"


def _is_table(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "dtypes")


@public(
    "contrib.learn.extract_pandas_data",
    "contrib.learn.io.extract_pandas_data",
    "contrib.learn.io.pandas_io.extract_pandas_data",
)
def extract_pandas_data(data: Any) -> Any:
    """The numbers of a pandas table as an array of floats; anything else as it is.

    Args:
      data: a `DataFrame`, or not.

    Raises:
      ValueError: a column has no numbers.
    """
    if not _is_table(data):
        return data
    bad = [f"'{name}' type='{kind}'" for name, kind in data.dtypes.items() if kind.kind not in _KINDS]
    if bad:
        raise ValueError(f"Data types for extracting pandas data must be int, float, or bool. Found: {bad}")
    return data.values.astype("float")


@public(
    "contrib.learn.extract_pandas_matrix",
    "contrib.learn.io.extract_pandas_matrix",
    "contrib.learn.io.pandas_io.extract_pandas_matrix",
)
def extract_pandas_matrix(data: Any) -> Any:
    """The values of a pandas table as an array; anything else as it is.

    Args:
      data: a `DataFrame`, or not.
    """
    return data.values if _is_table(data) else data


@public(
    "contrib.learn.extract_pandas_labels",
    "contrib.learn.io.extract_pandas_labels",
    "contrib.learn.io.pandas_io.extract_pandas_labels",
)
def extract_pandas_labels(labels: Any) -> Any:
    """The numbers of a pandas table of one column as an array; anything else as it is.

    Args:
      labels: a `DataFrame`, or not.

    Raises:
      ValueError: there are several columns, or one without numbers.
    """
    if not _is_table(labels):
        return labels
    if len(labels.columns) > 1:
        raise ValueError(f"Only one column for labels is allowed. Received: {list(labels.columns)}")
    if labels.dtypes.iloc[0].kind not in _KINDS:
        raise ValueError(f"Data types for labels must be int, float, or bool. Received: {labels.dtypes}")
    return labels.values


HAS_PANDAS = public(
    "contrib.learn.io.HAS_PANDAS",
    "contrib.learn.io.pandas_io.HAS_PANDAS",
    "contrib.learn.io.data_feeder.HAS_PANDAS",
)(importlib.util.find_spec("pandas") is not None)
HAS_DASK = public(
    "contrib.learn.io.HAS_DASK", "contrib.learn.io.dask_io.HAS_DASK", "contrib.learn.io.data_feeder.HAS_DASK"
)(importlib.util.find_spec("dask") is not None)


PANDAS_DTYPES = public("contrib.learn.io.pandas_io.PANDAS_DTYPES")(
    {f"{kind}{bits}": "int" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {f"float{bits}": "float" for bits in (16, 32, 64)}
    | {"bool": "i"}
)


def _is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "dask"


@public(
    "contrib.learn.extract_dask_data",
    "contrib.learn.io.extract_dask_data",
    "contrib.learn.io.dask_io.extract_dask_data",
)
def extract_dask_data(data: Any) -> Any:
    """The values of a dask table as an array; anything else as it is.

    Args:
      data: a dask `DataFrame` or `Series`, or not.
    """
    return data.compute().values if _is_dask(data) else data


@public(
    "contrib.learn.extract_dask_labels",
    "contrib.learn.io.extract_dask_labels",
    "contrib.learn.io.dask_io.extract_dask_labels",
)
def extract_dask_labels(labels: Any) -> Any:
    """The values of a dask table of one column as an array; anything else as it is.

    Args:
      labels: a dask `DataFrame` or `Series`, or not.

    Raises:
      ValueError: there are several columns.
    """
    if not _is_dask(labels):
        return labels
    if len(getattr(labels, "columns", ())) > 1:
        raise ValueError(f"Only one column for labels is allowed. Received: {list(labels.columns)}")
    return labels.compute().values
