"""`tf.contrib.layers`: feature columns and the inputs they are parsed from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.building import convert
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.columns.dense import RealValuedColumn, real_valued_column
from millrace.contributed.layers.columns.models import check_feature_columns, transform_features
from millrace.core.public import public
from millrace.lib.sparse.conversion import sparse_placeholder
from millrace.opkit.records.features import FixedLenFeature, FixedLenSequenceFeature, VarLenFeature
from millrace.ops.array.constant import placeholder
from millrace.ops.io.parsing import parse_example, parse_single_sequence_example


@public(
    "contrib.layers.create_feature_spec_for_parsing",
    "contrib.layers.feature_column.create_feature_spec_for_parsing",
    "contrib.slim.create_feature_spec_for_parsing",
)
def create_feature_spec_for_parsing(feature_columns: Iterable[Any]) -> dict[str, Any]:
    """How the inputs of columns are parsed, by name, as `tf.io.parse_example` takes it."""
    found: dict[str, Any] = {}
    for column in feature_columns:
        found.update(column.config)
    return found


@public(
    "contrib.layers.make_place_holder_tensors_for_base_features",
    "contrib.layers.feature_column.make_place_holder_tensors_for_base_features",
    "contrib.slim.make_place_holder_tensors_for_base_features",
)
def make_place_holder_tensors_for_base_features(feature_columns: Iterable[Any]) -> dict[str, Any]:
    """Placeholders for the inputs of columns, by name."""
    made: dict[str, Any] = {}
    for name, spec in create_feature_spec_for_parsing(feature_columns).items():
        if isinstance(spec, FixedLenFeature):
            made[name] = placeholder(spec.dtype, (None, *spec.shape), name=f"Placeholder_{name}")
        elif isinstance(spec, VarLenFeature):
            made[name] = sparse_placeholder(spec.dtype, name=f"Placeholder_{name}")
    return made


@public(
    "contrib.layers.parse_feature_columns_from_examples", "contrib.slim.parse_feature_columns_from_examples"
)
def parse_feature_columns_from_examples(
    serialized: Any, feature_columns: Iterable[Any], name: str | None = None, example_names: Any = None
) -> dict[Any, Any]:
    """The inputs and the features of columns, from serialized Examples.

    Args:
      serialized: `[batch]`, strings.
      feature_columns: the columns.
      name: scope; default "ParseExample".
      example_names: `[batch]`, strings for messages.

    Returns:
      Tensors by name, and features by column.
    """
    check_feature_columns(feature_columns)
    spec = create_feature_spec_for_parsing(feature_columns)
    inputs = parse_example(serialized, spec, name=name, example_names=example_names)
    inputs.update(transform_features(inputs, feature_columns))
    return inputs


@public(
    "contrib.layers.parse_feature_columns_from_sequence_examples",
    "contrib.slim.parse_feature_columns_from_sequence_examples",
)
def parse_feature_columns_from_sequence_examples(
    serialized: Any,
    context_feature_columns: Iterable[Any] | None,
    sequence_feature_columns: Iterable[Any] | None,
    name: str | None = None,
    example_name: Any = None,
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The features of context columns and of sequence columns, from one serialized SequenceExample.

    Args:
      serialized: a string scalar.
      context_feature_columns, sequence_feature_columns: the columns.
      name: scope; default "ParseSingleSequenceExample".
      example_name: a string for messages.

    Returns:
      Two dictionaries of features by column.
    """
    context_spec = create_feature_spec_for_parsing(context_feature_columns or [])
    sequence_spec = {}
    for key, spec in create_feature_spec_for_parsing(sequence_feature_columns or []).items():
        if isinstance(spec, FixedLenFeature):
            spec = FixedLenSequenceFeature(spec.shape, spec.dtype)
        sequence_spec[key] = spec
    context, sequence = parse_single_sequence_example(
        serialized, context_spec, sequence_spec, example_name, name
    )
    for made, columns in ((context, context_feature_columns), (sequence, sequence_feature_columns)):
        made.update(transform_features(made, columns or []))
    return context, sequence


@public("contrib.layers.infer_real_valued_columns", "contrib.slim.infer_real_valued_columns")
def infer_real_valued_columns(features: Any) -> list[RealValuedColumn]:
    """Real-valued columns for every tensor of a dictionary, or for one tensor (with an empty name).

    Raises:
      ValueError: a tensor is sparse, not numeric, or of unknown last dimension.
    """
    if not isinstance(features, dict):
        return [_inferred("", features)]
    return [_inferred(key, value) for key, value in features.items()]


def _inferred(name: str, tensor: Any) -> RealValuedColumn:
    if isinstance(tensor, SparseTensor):
        raise ValueError(
            f"SparseTensor is not supported for auto detection. Please define corresponding "
            f"FeatureColumn for tensor {name} {tensor}."
        )
    tensor = convert.to_tensor(tensor)
    dtype = tensor.dtype.base_dtype
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(
            f"Non integer or non floating types are not supported for auto detection. Please "
            f"define corresponding FeatureColumn for tensor {name} {tensor}."
        )
    if tensor.dims is None:
        raise ValueError(f"Rank of input Tensor must be known. Received: {tensor}")
    dimension = 1
    for length in tensor.dims[1:]:
        if length is None:
            raise ValueError(f"All dimensions but the first must be known. Received: {tensor}")
        dimension *= length
    return real_valued_column(name, dimension=dimension, dtype=dtype)
