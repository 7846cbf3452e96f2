"""Datasets that read files, and what parses them."""

from __future__ import annotations

from millrace.core import dtypes
from millrace.graph.attrs import flag, shape_list, texts, types
from millrace.opkit.datasets import files, parsing
from millrace.opkit.datasets.declaring import dataset

_FEATURES = frozenset({dtypes.float32, dtypes.int64, dtypes.string})

TextLineDataset = dataset(
    "TextLineDataset(filenames: string, compression_type: string, buffer_size: int64) -> handle: variant",
    files.Lines,
    __name__,
    typed=False,
    shaped=False,
)
TFRecordDataset = dataset(
    "TFRecordDataset(filenames: string, compression_type: string, buffer_size: int64) -> handle: variant",
    files.Records,
    __name__,
    typed=False,
    shaped=False,
)
FixedLengthRecordDataset = dataset(
    "FixedLengthRecordDataset(filenames: string, header_bytes: int64, record_bytes: int64, footer_bytes: "
    "int64, buffer_size: int64) -> handle: variant",
    files.FixedLength,
    __name__,
    typed=False,
    shaped=False,
)
FixedLengthRecordDatasetV2 = dataset(
    "FixedLengthRecordDatasetV2(filenames: string, header_bytes: int64, record_bytes: int64, footer_bytes: "
    "int64, buffer_size: int64, compression_type: string) -> handle: variant",
    files.FixedLength,
    __name__,
    typed=False,
    shaped=False,
)
CSVDataset = dataset(
    "CSVDataset(filenames: string, compression_type: string, buffer_size: int64, header: bool, field_delim: "
    "string, use_quote_delim: bool, na_value: string, select_cols: int64, record_defaults: "
    "output_types) -> handle: variant",
    files.Csv,
    __name__,
)
ExperimentalCSVDataset = dataset(
    "ExperimentalCSVDataset(filenames: string, compression_type: string, buffer_size: int64, header: bool, "
    "field_delim: string, use_quote_delim: bool, na_value: string, select_cols: int64, record_defaults: "
    "output_types) -> handle: variant",
    files.Csv,
    __name__,
)
SqlDataset = dataset(
    "SqlDataset(driver_name: string, data_source_name: string, query: string) -> handle: variant",
    files.Sql,
    __name__,
)
ExperimentalSqlDataset = dataset(
    "ExperimentalSqlDataset(driver_name: string, data_source_name: string, query: string) -> handle: variant",
    files.Sql,
    __name__,
)
LMDBDataset = dataset("LMDBDataset(filenames: string) -> handle: variant", files.Lmdb, __name__)
ExperimentalLMDBDataset = dataset(
    "ExperimentalLMDBDataset(filenames: string) -> handle: variant", files.Lmdb, __name__
)
MatchingFilesDataset = dataset(
    "MatchingFilesDataset(patterns: string) -> handle: variant",
    files.Matching,
    __name__,
    typed=False,
    shaped=False,
)
ExperimentalMatchingFilesDataset = dataset(
    "ExperimentalMatchingFilesDataset(patterns: string) -> handle: variant",
    files.Matching,
    __name__,
    typed=False,
    shaped=False,
)
ParseExampleDataset = dataset(
    "ParseExampleDataset(input_dataset: variant, num_parallel_calls: int64, dense_defaults: Tdense) -> "
    "handle: variant",
    parsing.ParseExamples,
    __name__,
    sparse_keys=texts(),
    dense_keys=texts(),
    sparse_types=types(allowed=_FEATURES),
    Tdense=types((), allowed=_FEATURES),
    dense_shapes=shape_list(),
    sloppy=flag(False),
)
ExperimentalParseExampleDataset = dataset(
    "ExperimentalParseExampleDataset(input_dataset: variant, num_parallel_calls: int64, "
    "dense_defaults: Tdense) -> handle: variant",
    parsing.ParseExamples,
    __name__,
    sparse_keys=texts(),
    dense_keys=texts(),
    sparse_types=types(allowed=_FEATURES),
    Tdense=types((), allowed=_FEATURES),
    dense_shapes=shape_list(),
    sloppy=flag(False),
)
