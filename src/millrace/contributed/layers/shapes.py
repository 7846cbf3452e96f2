"""`tf.contrib.layers` and `tf.contrib.slim`: pooling, flattening, dropout, embeddings, layers in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.core import channels_format
from millrace.contributed.layers.outputs import (
    channels_of,
    collect_named_outputs,
    collections_of,
    finished,
    model_variable_getter,
)
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import ZEROS, Dropout, Flatten
from millrace.lib.layers.pooling import sizes_of
from millrace.lib.math.reductions import reduce_max, reduce_mean, reduce_prod, reduce_sum
from millrace.lib.nn.embedding import embedding_lookup, safe_embedding_lookup_sparse
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules import windows
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.gather import gather
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.slicing import strided_slice
from millrace.ops.nn.bias import bias_add as nn_bias_add
from millrace.ops.nn.softmax import softmax as nn_softmax


def _pooled(op: str, axes: int, default: str, given: dict[str, Any]) -> Tensor:
    """One of the pooling functions, by its arguments."""
    with name_scope(given["scope"], default, [given["inputs"]]) as scope:
        channels_format(given["data_format"], axes + 2)
        window = sizes_of(given["kernel_size"], axes, "kernel_size")
        steps = sizes_of(given["stride"], axes, "stride")
        outputs = getattr(raw, op)(
            convert.to_tensor(given["inputs"]),
            ksize=windows.assemble(1, window, 1, given["data_format"]),
            strides=windows.assemble(1, steps, 1, given["data_format"]),
            padding=given["padding"],
            data_format=given["data_format"],
        )
        return collect_named_outputs(given["outputs_collections"], scope, outputs)


@public("contrib.layers.max_pool2d", "contrib.slim.max_pool2d")
@add_arg_scope
def max_pool2d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """The largest element of each window of an image.

    Args:
      inputs: `[batch, height, width, channels]`, or channels second.
      kernel_size: the window: one integer, or one for each spatial axis.
      stride: its steps, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      outputs_collections: collections that the outputs join.
      scope: name scope; default "MaxPool2D".

    Returns:
      A tensor of the same rank and layout.

    Raises:
      ValueError: the layout is another one, or the window does not fit.
    """
    return _pooled("MaxPool", 2, "MaxPool2D", locals())


@public("contrib.layers.avg_pool2d", "contrib.slim.avg_pool2d")
@add_arg_scope
def avg_pool2d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """The mean of each window of an image; arguments as for `max_pool2d`, default scope "AvgPool2D"."""
    return _pooled("AvgPool", 2, "AvgPool2D", locals())


@public("contrib.layers.max_pool3d", "contrib.slim.max_pool3d")
@add_arg_scope
def max_pool3d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NDHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """The largest element of each window of a volume; arguments as for `max_pool2d`, scope "MaxPool3D"."""
    return _pooled("MaxPool3D", 3, "MaxPool3D", locals())


@public("contrib.layers.avg_pool3d", "contrib.slim.avg_pool3d")
@add_arg_scope
def avg_pool3d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NDHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """The mean of each window of a volume; arguments as for `max_pool2d`, scope "AvgPool3D"."""
    return _pooled("AvgPool3D", 3, "AvgPool3D", locals())


@public("contrib.layers.flatten", "contrib.slim.flatten")
@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Tensor:
    """Makes a vector of each element of the batch.

    Args:
      inputs: `[batch, ...]`.
      outputs_collections: collections that the outputs join.
      scope: name scope; default "Flatten".

    Returns:
      `[batch, the product of the other dimensions]`.

    Raises:
      ValueError: the rank is unknown or 0.
    """
    with name_scope(scope, "Flatten", [inputs]) as found:
        inputs = convert.to_tensor(inputs)
        if not inputs.dims:
            raise ValueError(f"flatten: inputs must have a known rank of at least 1. Received: {inputs}")
        return collect_named_outputs(outputs_collections, found, Flatten()(inputs))


@public("contrib.layers.one_hot_encoding", "contrib.slim.one_hot_encoding")
@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: Any = 1.0,
    off_value: Any = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """Vectors with `on_value` at the place that a label names and `off_value` elsewhere.

    Args:
      labels: int32 or int64 `[...]`.
      num_classes: the vectors' length.
      on_value, off_value: scalars.
      outputs_collections: collections that the outputs join.
      scope: name scope; default "OneHotEncoding".

    Returns:
      `[..., num_classes]`.
    """
    with name_scope(scope, "OneHotEncoding", [labels, num_classes]) as found:
        labels = convert.to_tensor(labels)
        if labels.dtype.base_dtype is int32:
            labels = raw.Cast(labels, DstT=int64, name="ToInt64")
        outputs = one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, found, outputs)


@public("contrib.layers.dropout", "contrib.slim.dropout")
@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Sets elements to zero at random and scales the others up.

    Args:
      inputs: `[...]`, floating.
      keep_prob: the probability that an element stays.
      noise_shape: int32, broadcasts with `inputs`: elements that share a place in it live or die together.
      is_training: a bool or a scalar bool tensor; where it does not hold, the inputs are returned.
      outputs_collections: collections that the outputs join.
      scope: default "Dropout".
      seed: the operation's seed.

    Returns:
      The shape and dtype of `inputs`.
    """
    with variable_scope(scope, "Dropout", [inputs], custom_getter=model_variable_getter()) as found:
        inputs = convert.to_tensor(inputs)
        layer = Dropout(1 - keep_prob, noise_shape, seed, found.name, _scope=found)
        return collect_named_outputs(outputs_collections, found.name, layer(inputs, training=is_training))


@public("contrib.layers.bias_add", "contrib.slim.bias_add")
@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = ZEROS,
    regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Tensor:
    """Adds a bias that is a variable to each channel.

    Args:
      inputs: `[..., channels]`, at least rank 2; or `[batch, channels, height, width]`.
      activation_fn: a function of a tensor; None for none.
      initializer: the bias's first value.
      regularizer: a function from a variable to a scalar loss.
      reuse: whether to use the variable of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variable joins: a list, or lists by name ("biases").
      outputs_collections: collections that the outputs join.
      trainable: whether the bias is trained.
      data_format: "NHWC" or "NCHW".
      scope: of the variable; default "BiasAdd".

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the number of channels is unknown, or the layout is another one.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format has to be either NCHW or NHWC. Received: {data_format!r}")
    with variable_scope(scope, "BiasAdd", [inputs], reuse=reuse) as found:
        inputs = convert.to_tensor(inputs)
        biases = model_variable(
            "biases",
            [channels_of(inputs, 1 if data_format == "NCHW" else -1)],
            inputs.dtype.base_dtype,
            initializer,
            regularizer,
            trainable,
            collections_of(variables_collections, "biases"),
        )
        outputs = nn_bias_add(inputs, biases, data_format=data_format)
        return finished(outputs, found.name, outputs_collections, activation_fn)


@public("contrib.layers.softmax", "contrib.slim.softmax")
@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> Tensor:
    """The softmax over the last axis.

    Args:
      logits: `[..., classes]`, floating.
      scope: default "softmax".

    Returns:
      The shape and dtype of `logits`.
    """
    with variable_scope(scope, "softmax", [logits]):
        logits = convert.to_tensor(logits)
        classes = channels_of(logits)
        shares = nn_softmax(reshape(logits, [-1, classes]))
        shares = reshape(shares, shape_of(logits))
        shares.set_shape(logits.shape)
        return shares


@public("contrib.layers.unit_norm", "contrib.slim.unit_norm")
@add_arg_scope
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: Any = None) -> Tensor:
    """The inputs divided by their Euclidean length along `dim`.

    Args:
      inputs: `[...]`, floating.
      dim: the axis, not negative.
      epsilon: added to the sum of squares.
      scope: default "UnitNorm".

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the rank is unknown, or the axis does not exist.
    """
    with variable_scope(scope, "UnitNorm", [inputs]):
        inputs = convert.to_tensor(inputs)
        if inputs.dims is None or not 0 <= dim < len(inputs.dims):
            raise ValueError(f"unit_norm: dim must be an axis of the inputs. Received: {dim} for {inputs}")
        squares = reduce_sum(raw.Square(inputs), dim, keepdims=True)
        lengths = raw.Sqrt(epsilon + squares)
        before, after = dim, len(inputs.dims) - 1 - dim
        multiples = [ones([before], int32)] if before else []
        multiples.append(strided_slice(shape_of(inputs), [dim], [dim + 1]))
        multiples.extend([ones([after], int32)] if after else [])
        return raw.RealDiv(inputs, raw.Tile(lengths, concat(multiples, 0)), name="div")


@public("contrib.layers.maxout", "contrib.slim.maxout")
@add_arg_scope
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: Any = None) -> Tensor:
    """The largest of each group of channels.

    Groups are numbers that follow each other where the axis is the last. With another axis the tensor is cut
    as it lies in memory, as in TensorFlow: a group reaches over the axes behind, not over the channels.

    Args:
      inputs: `[...]`.
      num_units: how many groups there are; divides the number of channels.
      axis: the channels' axis.
      scope: default "MaxOut".

    Returns:
      The inputs with `num_units` channels.

    Raises:
      ValueError: the number of channels is unknown or no multiple of `num_units`.
    """
    with variable_scope(scope, "MaxOut", [inputs]):
        inputs = convert.to_tensor(inputs)
        channels = channels_of(inputs, axis)
        if channels % num_units:
            raise ValueError(f"maxout: num_units must divide {channels} channels. Received: {num_units}")
        dims: list[Any] = list(inputs.dims)
        dims[axis] = num_units
        dims.append(channels // num_units)
        dims = [raw.Shape(inputs)[i] if d is None else d for i, d in enumerate(dims)]
        return reduce_max(raw.Reshape(inputs, dims), -1)


@public("contrib.layers.embed_sequence", "contrib.slim.embed_sequence")
def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Tensor:
    """The rows of a variable, `[vocab_size, embed_dim]`, that `ids` name.

    Args:
      ids: int32 or int64 `[batch, length]`.
      vocab_size, embed_dim: the variable's shape; not needed with `reuse`.
      unique: look each different id up once.
      initializer, regularizer, trainable: of the variable.
      scope: of the variable; default "EmbedSequence".
      reuse: whether to use the variable of an earlier layer; `scope` must be given then.

    Returns:
      `[batch, length, embed_dim]`.

    Raises:
      ValueError: the shape is missing without `reuse`.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            "embed_sequence: vocab_size and embed_dim are needed without reuse. "
            f"Received: {vocab_size}, {embed_dim}"
        )
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = [vocab_size, embed_dim]
        if reuse and (vocab_size is None or embed_dim is None):
            shape = None
        table = model_variable(
            "embeddings", shape, initializer=initializer, regularizer=regularizer, trainable=trainable
        )
        return embedding_lookup_unique(table, ids) if unique else embedding_lookup(table, ids)


@public("contrib.layers.embedding_lookup_unique", "contrib.slim.embedding_lookup_unique")
def embedding_lookup_unique(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None
) -> Tensor:
    """As `tf.nn.embedding_lookup`, which it asks for each different id once.

    Args:
      params: one tensor or variable, or several parts of one.
      ids: int32 or int64 `[...]`.
      partition_strategy: how rows are spread over the parts: "mod" or "div".
      name: scope; default "EmbeddingLookupUnique".

    Returns:
      `[..., embedding]`.
    """
    with name_scope(name, "EmbeddingLookupUnique", [params, ids]):
        ids = convert.to_tensor(ids)
        places = shape_of(ids)
        known, at = raw.Unique(raw.Reshape(ids, reduce_prod(places, keepdims=True)))
        found = embedding_lookup(params, known, partition_strategy)
        rows = gather(found, at)
        return raw.Reshape(rows, concat([places, shape_of(found)[1:]], 0))


@public("contrib.layers.bow_encoder", "contrib.slim.bow_encoder")
def bow_encoder(
    ids: Any,
    vocab_size: int,
    embed_dim: int,
    sparse_lookup: bool = True,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Tensor:
    """The mean of the embeddings of a bag of words; arguments as for `embed_sequence`.

    Args:
      ids: int32 or int64 `[batch, length]`, or a sparse tensor of them.
      sparse_lookup: leave out the id 0, which fills up shorter bags.

    Returns:
      `[batch, embed_dim]`.

    Raises:
      TypeError: `ids` is sparse and `sparse_lookup` False.
    """
    with variable_scope(scope, "bow_encoder", [ids], reuse=reuse):
        table = model_variable(
            "embeddings",
            [vocab_size, embed_dim],
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if sparse_lookup:
            sparse = ids if isinstance(ids, SparseTensor) else dense_to_sparse(ids)
            return safe_embedding_lookup_sparse(table, sparse, combiner="mean", default_id=0)
        if isinstance(ids, SparseTensor):
            raise TypeError(f"bow_encoder: a dense lookup takes dense ids. Received: {ids}")
        return reduce_mean(embedding_lookup(table, ids), 1)


@public("contrib.layers.dense_to_sparse", "contrib.slim.dense_to_sparse")
@add_arg_scope
def dense_to_sparse(
    tensor: Any, eos_token: Any = 0, outputs_collections: Any = None, scope: Any = None
) -> SparseTensor:
    """The elements of a tensor that are not `eos_token`, as a sparse tensor.

    Args:
      tensor: int `[...]`.
      eos_token: a scalar.
      outputs_collections: collections that the result joins.
      scope: default "dense_to_sparse".

    Returns:
      A sparse tensor of the same shape and dtype.
    """
    with variable_scope(scope, "dense_to_sparse", [tensor]) as found:
        tensor = convert.to_tensor(tensor)
        places = raw.Where(raw.NotEqual(tensor, convert.to_tensor(eos_token, tensor.dtype.base_dtype)))
        outputs = SparseTensor(places, raw.GatherNd(tensor, places), shape_of(tensor, out_type=int64))
        return collect_named_outputs(outputs_collections, found.name, outputs)


def _name_of(layer: Any, otherwise: str) -> str:
    """A layer function's name, that of the function inside for `functools.partial`."""
    return getattr(layer, "__name__", None) or getattr(getattr(layer, "func", None), "__name__", otherwise)


@public("contrib.layers.repeat", "contrib.slim.repeat")
@add_arg_scope
def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Applies a layer several times in a row, with scopes `layer_1`, `layer_2`, ...

    Args:
      inputs: the first layer's inputs.
      repetitions: how often.
      layer: a function that takes inputs and `scope`.
      *args, **kwargs: its other arguments; `scope` names the scope around and the layers' scopes.

    Returns:
      What the last one returns.
    """
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]):
        inner = _name_of(layer, "repeat") if scope is None else scope
        for i in range(repetitions):
            inputs = layer(inputs, *args, **kwargs, scope=f"{inner}_{i + 1}")
        return inputs


@public("contrib.layers.stack", "contrib.slim.stack")
@add_arg_scope
def stack(inputs: Any, layer: Callable[..., Any], stack_args: Any, **kwargs: Any) -> Any:
    """Applies a layer several times in a row, each time with arguments of its own.

    Args:
      inputs: the first layer's inputs.
      layer: a function that takes inputs and `scope`.
      stack_args: for each time an argument, or a list of them.
      **kwargs: arguments for all; `scope` names the scope around and the layers' scopes.

    Returns:
      What the last one returns.
    """
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Stack", [inputs]):
        inner = _name_of(layer, "stack") if scope is None else scope
        for i, own in enumerate(stack_args):
            own = own if isinstance(own, list | tuple) else [own]
            inputs = layer(inputs, *own, **kwargs, scope=f"{inner}_{i + 1}")
        return inputs
