"""`tf.contrib.layers`: where features are largest, images as sequences and back."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.outputs import collect_named_outputs, collections_of
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import meshgrid
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.initializers import Constant, Ones
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat, unstack
from millrace.ops.array.fill import lin_space
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape
from millrace.ops.nn.softmax import softmax


@public("contrib.layers.spatial_softmax", "contrib.slim.spatial_softmax")
@add_arg_scope
def spatial_softmax(
    features: Any,
    temperature: Any = None,
    name: str | None = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> Tensor:
    """The expected place of each channel's activation: softmax over the image, times the coordinates.

    Args:
      features: `[batch, height, width, channels]`, or channels second, floating.
      temperature: the number with which the variable begins that divides the features; default 1.
      name: scope; default "spatial_softmax".
      variables_collections: collections that the variable joins.
      trainable: whether the temperature is trained.
      data_format: "NHWC" or "NCHW".

    Returns:
      `[batch, channels * 2]`: x and y, from -1 to 1, of each channel.

    Raises:
      ValueError: the rank is not 4, the layout another one, or the number of channels unknown.
    """
    with variable_scope(name, "spatial_softmax"):
        features = convert.to_tensor(features)
        if features.dims is None or len(features.dims) != 4:
            raise ValueError(f"spatial_softmax: features must have rank 4. Received: {features}")
        if data_format not in ("NHWC", "NCHW"):
            raise ValueError(f"data_format has to be either NCHW or NHWC. Received: {data_format!r}")
        axes = (1, 2, 3) if data_format == "NHWC" else (2, 3, 1)
        channels = features.dims[axes[2]]
        if channels is None:
            raise ValueError(f"spatial_softmax: the number of channels must be known. Received: {features}")
        sizes = shape(features)
        height, width = sizes[axes[0]], sizes[axes[1]]
        with name_scope("spatial_softmax_op"):
            rows = lin_space(-1.0, 1.0, num=height)
            columns = lin_space(-1.0, 1.0, num=width)
            grid_x, grid_y = meshgrid(rows, columns, indexing="ij")
            grid_x = raw.Reshape(grid_x, [height * width])
            grid_y = raw.Reshape(grid_y, [height * width])
            temperature = model_variable(
                "temperature",
                (),
                features.dtype.base_dtype,
                Ones() if temperature is None else Constant(temperature),
                trainable=trainable,
                collections=collections_of(variables_collections, "temperature"),
            )
            if data_format == "NHWC":
                features = transpose(features, [0, 3, 1, 2])
            flat = raw.Reshape(features, [-1, height * width])
            shares = softmax(flat / temperature)
            x = reduce_sum(grid_x * shares, [1], keepdims=True)
            y = reduce_sum(grid_y * shares, [1], keepdims=True)
            both = concat([x, y], 1)
            places = raw.Reshape(both, [-1, channels * 2])
            places.set_shape([None, channels * 2])
            return places


@public("contrib.layers.images_to_sequence", "contrib.slim.images_to_sequence")
@add_arg_scope
def images_to_sequence(
    inputs: Any, data_format: str = "NHWC", outputs_collections: Any = None, scope: str | None = None
) -> Tensor:
    """A batch of images as one batch of sequences: columns become time, rows of all images the batch.

    Args:
      inputs: `[images, height, width, channels]`, or channels second.
      data_format: "NHWC" or "NCHW".
      outputs_collections: collections that the outputs join.
      scope: default "ImagesToSequence".

    Returns:
      `[width, images * height, channels]`.

    Raises:
      ValueError: the layout is another one, or the number of channels is unknown.
    """
    if data_format not in ("NCHW", "NHWC"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    with name_scope(scope, "ImagesToSequence", [inputs]) as found:
        inputs = convert.to_tensor(inputs)
        if inputs.dims is None or len(inputs.dims) != 4:
            raise ValueError(f"images_to_sequence: inputs must have rank 4. Received: {inputs}")
        if data_format == "NCHW":
            inputs = transpose(inputs, [0, 2, 3, 1])
        _, _, width, channels = inputs.dims  # pyright: ignore[reportGeneralTypeIssues]
        sizes = shape(inputs)
        rows = sizes[0] * sizes[1]
        columns = width if width is not None else sizes[2]
        outputs = raw.Reshape(transpose(inputs, [2, 0, 1, 3]), [columns, rows, channels])
        outputs.set_shape([width, None, channels])
        return collect_named_outputs(outputs_collections, found, outputs)


@public("contrib.layers.sequence_to_images", "contrib.slim.sequence_to_images")
@add_arg_scope
def sequence_to_images(
    inputs: Any,
    height: int,
    output_data_format: str = "channels_last",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """What `images_to_sequence` made, as images again.

    Args:
      inputs: `[width, images * height, channels]`.
      height: of the images.
      output_data_format: "channels_last" or "channels_first".
      outputs_collections: collections that the outputs join.
      scope: default "SequenceToImages".

    Returns:
      `[images, height, width, channels]`, or channels second.
    """
    with name_scope(scope, "SequenceToImages", [inputs]) as found:
        inputs = convert.to_tensor(inputs)
        if inputs.dims is None or len(inputs.dims) != 3:
            raise ValueError(f"sequence_to_images: inputs must have rank 3. Received: {inputs}")
        width, batch, channels = inputs.dims  # pyright: ignore[reportGeneralTypeIssues]
        images = -1 if batch is None else batch // height
        steps = unstack(shape(inputs), num=3)[0] if width is None else width
        outputs = raw.Reshape(inputs, [steps, images, height, channels])
        order = [1, 3, 2, 0] if output_data_format == "channels_first" else [1, 2, 0, 3]
        outputs = transpose(outputs, order)
        return collect_named_outputs(outputs_collections, found, outputs)
