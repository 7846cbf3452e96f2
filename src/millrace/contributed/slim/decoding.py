"""`tf.contrib.slim.tfexample_decoder`: items out of serialized examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor as Sparse
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor as GraphTensor
from millrace.lib.flow.control_flow import case, cond
from millrace.lib.flow.functional import map_fn
from millrace.lib.image.decoding import decode_image, starts_as_jpeg
from millrace.lib.sparse.conversion import sparse_tensor_to_dense
from millrace.lib.sparse.shaping import sparse_reshape
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import size
from millrace.ops.image.codec import decode_jpeg
from millrace.ops.io.parsing import parse_single_example
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, logical_or
from millrace.ops.text.codes import decode_raw


def _is_sparse(x: Any) -> bool:
    return hasattr(x, "dense_shape")


@public("contrib.slim.data_decoder.DataDecoder")
class DataDecoder:
    """What makes items of data; a subclass has `decode` and `list_items`."""

    def decode(self, data: Any, items: Any) -> list[Any]:
        """The items named, out of data."""
        raise NotImplementedError(f"decode belongs to a subclass. Received: a {type(self).__name__}")

    def list_items(self) -> list[str]:
        """The names of the items."""
        raise NotImplementedError(f"list_items belongs to a subclass. Received: a {type(self).__name__}")


@public("contrib.slim.tfexample_decoder.ItemHandler")
class ItemHandler:
    """What makes an item of parsed features; a subclass has `tensors_to_item`.

    Args:
      keys: the names of the features that it needs.
    """

    def __init__(self, keys: Any) -> None:
        self._keys = list(keys) if isinstance(keys, tuple | list) else [keys]

    @property
    def keys(self) -> list[str]:
        """The names of the features that it needs."""
        return self._keys

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item, of features by name."""
        raise NotImplementedError(f"tensors_to_item belongs to a subclass. Received: a {type(self).__name__}")


@public("contrib.slim.tfexample_decoder.ItemHandlerCallback")
class ItemHandlerCallback(ItemHandler):
    """An item that a function makes of features by name."""

    def __init__(self, keys: Any, func: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__(keys)
        self._func = func

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """What the function makes."""
        return self._func(keys_to_tensors)


@public("contrib.slim.tfexample_decoder.BoundingBox")
class BoundingBox(ItemHandler):
    """Boxes `[n, 4]` of four features.

    Args:
      keys: their last names; default ymin, xmin, ymax, xmax.
      prefix: what they begin with.

    Raises:
      ValueError: there are not four.
    """

    def __init__(self, keys: list[str] | None = None, prefix: str = "") -> None:
        keys = ["ymin", "xmin", "ymax", "xmax"] if keys is None else keys
        if len(keys) != 4:
            raise ValueError(f"BoundingBox expects 4 keys but got {len(keys)}")
        self._full_keys = [prefix + key for key in keys]
        super().__init__(self._full_keys)

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> GraphTensor:
        """The boxes."""
        sides = []
        for key in self._full_keys:
            side = keys_to_tensors[key]
            sides.append(expand_dims(side.values if _is_sparse(side) else side, 0))
        return transpose(concat(sides, 0))


@public("contrib.slim.tfexample_decoder.Tensor")
class Tensor(ItemHandler):
    """An item that is a feature, or a part of one by shape.

    Args:
      tensor_key: the feature's name.
      shape_keys: names of features whose values are the item's shape.
      shape: the item's shape.
      default_value: what a sparse feature has where it has nothing.

    Raises:
      ValueError: both shapes were given.
    """

    def __init__(
        self, tensor_key: str, shape_keys: Any = None, shape: Any = None, default_value: Any = 0
    ) -> None:
        if shape_keys and shape is not None:
            raise ValueError("Cannot specify both shape_keys and shape parameters.")
        shape_keys = [shape_keys] if shape_keys and not isinstance(shape_keys, list) else shape_keys
        self._tensor_key, self._shape_keys = tensor_key, shape_keys
        self._shape, self._default_value = shape, default_value
        super().__init__([tensor_key, *(shape_keys or ())])

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item."""
        tensor = keys_to_tensors[self._tensor_key]
        shape = self._shape
        if self._shape_keys:
            dims = []
            for key in self._shape_keys:
                dim = keys_to_tensors[key]
                dims.append(sparse_tensor_to_dense(dim) if _is_sparse(dim) else dim)
            shape = reshape(stack(dims), [-1])
        if _is_sparse(tensor):
            if shape is not None:
                tensor = sparse_reshape(tensor, shape)
            return sparse_tensor_to_dense(tensor, self._default_value)
        return tensor if shape is None else reshape(tensor, shape)


@public("contrib.slim.tfexample_decoder.LookupTensor")
class LookupTensor(Tensor):
    """What a table has for a feature; other arguments as for `Tensor`."""

    def __init__(
        self, tensor_key: str, table: Any, shape_keys: Any = None, shape: Any = None, default_value: Any = ""
    ) -> None:
        self._table = table
        super().__init__(tensor_key, shape_keys, shape, default_value)

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The values in the table."""
        return self._table.lookup(super().tensors_to_item(keys_to_tensors))


@public("contrib.slim.tfexample_decoder.SparseTensor")
class SparseTensor(ItemHandler):
    """A sparse tensor whose places and values are features.

    Args:
      indices_key: the sparse feature of the places, int64; default "indices".
      values_key: the sparse feature of the values; default "values".
      shape_key: the feature of the shape; None where `shape` has it.
      shape: the shape.
      densify: give a dense tensor.
      default_value: what that has where there is no value.
    """

    def __init__(
        self,
        indices_key: str | None = None,
        values_key: str | None = None,
        shape_key: str | None = None,
        shape: Any = None,
        densify: bool = False,
        default_value: Any = 0,
    ) -> None:
        self._indices_key, self._values_key = indices_key or "indices", values_key or "values"
        self._shape_key, self._shape = shape_key, shape
        self._densify, self._default_value = densify, default_value
        super().__init__([self._indices_key, self._values_key, *([shape_key] if shape_key else [])])

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item: as the indices lie, with their values as the last column of the places."""
        indices, values = keys_to_tensors[self._indices_key], keys_to_tensors[self._values_key]
        shape = keys_to_tensors[self._shape_key] if self._shape_key else self._shape
        shape = shape.values if _is_sparse(shape) else shape
        last = expand_dims(cast(indices.values, dtypes.int64), 1)
        places = concat([indices.indices[:, :-1], last], 1)
        found = Sparse(places, values.values, convert_to_tensor(shape, dtypes.int64))
        return sparse_tensor_to_dense(found, self._default_value) if self._densify else found


@public("contrib.slim.tfexample_decoder.BackupHandler")
class BackupHandler(ItemHandler):
    """The item of one handler, and that of another where the first is empty."""

    def __init__(self, handler: ItemHandler, backup: ItemHandler) -> None:
        for one in (handler, backup):
            if not isinstance(one, ItemHandler):
                raise ValueError(f"Handlers must be ItemHandlers. Received: {type(one)}")
        self._handler, self._backup = handler, backup
        super().__init__(handler.keys + backup.keys)

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item that is there."""
        item = self._handler.tensors_to_item(keys_to_tensors)
        empty = equal(size(convert_to_tensor(item)), 0)
        return cond(empty, lambda: self._backup.tensors_to_item(keys_to_tensors), lambda: item)


@public("contrib.slim.tfexample_decoder.Image")
class Image(ItemHandler):
    """A decoded image.

    Args:
      image_key, format_key: the features with its bytes and with its format ("raw" for plain numbers);
        default "image/encoded" and "image/format".
      shape: its shape; None for what it has.
      channels: 1 or 3.
      dtype: of plain numbers.
      repeated: whether there are several.
      dct_method: how JPEG is decoded; one way serves all.
    """

    def __init__(
        self,
        image_key: str | None = None,
        format_key: str | None = None,
        shape: Any = None,
        channels: int = 3,
        dtype: Any = dtypes.uint8,
        repeated: bool = False,
        dct_method: str = "",
    ) -> None:
        self._image_key = image_key or "image/encoded"
        self._format_key = format_key or "image/format"
        super().__init__([self._image_key, self._format_key])
        self._shape, self._channels, self._dtype = shape, channels, dtype
        self._repeated, self._dct_method = repeated, dct_method

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> GraphTensor:
        """The image, or images."""
        encoded, kind = keys_to_tensors[self._image_key], keys_to_tensors[self._format_key]
        if self._repeated:
            return map_fn(lambda x: self._decode(x, kind), encoded, dtype=self._dtype)
        return self._decode(encoded, kind)

    def _decode(self, encoded: GraphTensor, kind: GraphTensor) -> GraphTensor:
        jpeg = {"channels": self._channels, "dct_method": self._dct_method}

        def any_format() -> GraphTensor:
            return cast(decode_image(encoded, channels=self._channels), self._dtype)

        def as_jpeg() -> GraphTensor:
            return cast(decode_jpeg(encoded, **jpeg), self._dtype)

        def picture() -> GraphTensor:
            return cond(starts_as_jpeg(encoded, "is_jpeg"), as_jpeg, any_format, name="cond_jpeg")

        raw_numbers = logical_or(equal(kind, "raw"), equal(kind, "RAW"))
        plain = {raw_numbers: lambda: decode_raw(encoded, out_type=self._dtype)}
        image = case(plain, default=picture, exclusive=True)
        image.set_shape([None, None, self._channels])
        return image if self._shape is None else reshape(image, self._shape)


@public("contrib.slim.tfexample_decoder.TFExampleDecoder")
class TFExampleDecoder(DataDecoder):
    """Parses a serialized example and makes items of its features.

    Args:
      keys_to_features: features by name, as `tf.parse_single_example` takes them.
      items_to_handlers: handlers by the names of the items.
    """

    def __init__(self, keys_to_features: dict[str, Any], items_to_handlers: dict[str, ItemHandler]) -> None:
        self._keys_to_features, self._items_to_handlers = keys_to_features, items_to_handlers

    def list_items(self) -> list[str]:
        """The names of the items."""
        return list(self._items_to_handlers)

    def decode(self, serialized_example: Any, items: Any = None) -> list[Any]:
        """The items named, all by default, of one serialized example."""
        example = parse_single_example(serialized_example, self._keys_to_features)
        for key in sorted(self._keys_to_features):
            feature = self._keys_to_features[key]
            if hasattr(feature, "default_value") and not _is_sparse(example[key]):
                example[key] = reshape(example[key], feature.shape)
        found = []
        for item in items or self._items_to_handlers:
            handler = self._items_to_handlers[item]
            found.append(handler.tensors_to_item({key: example[key] for key in handler.keys}))
        return found
