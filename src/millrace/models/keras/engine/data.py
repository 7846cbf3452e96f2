"""Arrays, dicts and lists in the order and shape in which a model takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.sparse_tensor import SparseTensor
from millrace.graph.tensor import Tensor
from millrace.lib.layers.node import int_shape
from millrace.lib.variables.variable import Variable
from millrace.models.keras.losses import classes, functions


def is_symbolic(x: Any) -> bool:
    """Whether `x` is a tensor rather than an array."""
    return isinstance(x, Tensor | Variable | SparseTensor)


def standardize(
    data: Any,
    names: list[str],
    shapes: list[Any] | None = None,
    check_batch: bool = True,
    what: str = "input",
) -> list[Any]:
    """One array for each name.

    Args:
      data: an array, a list, or a dict by name.
      names: of the inputs or outputs.
      shapes: their shapes, None for lengths that may be any.
      check_batch: also compare the first length.
      what: "input" or "target", for messages.

    Raises:
      ValueError: there are too few arrays, too many targets, or one is of another shape.
    """
    if not names:
        if data is not None and hasattr(data, "__len__") and len(data):
            raise ValueError(f"Error when checking model {what}: expected no data, but got: {data}")
        return []
    if data is None:
        return [None for _ in names]
    ignored = what == "input" and shapes is not None  # as in 1.15, arrays after those that the model takes
    found = [_array(x) for x in _in_order(data, names, what, ignored)]
    expected = shapes or [None] * len(names)
    found = [_with_axis(x, s) for x, s in zip(found, expected, strict=True)]
    if shapes is not None:
        for name, shape, x in zip(names, shapes, found, strict=True):
            if shape is not None and x is not None:
                _check_shape(name, shape, x, check_batch, what)
    return found


def _in_order(data: Any, names: list[str], what: str, ignored: bool) -> list[Any]:
    if isinstance(data, dict):
        missing = [n for n in names if n not in data]
        if missing:
            raise ValueError(f'No data provided for "{missing[0]}". Need data for each key in: {names}')
        return [data[n] for n in names]
    if isinstance(data, list | tuple):
        if (data and isinstance(data[0], list | tuple)) or (data and not hasattr(data[0], "shape")):
            plain = [np.asarray(d) for d in data]
            data = plain if len(names) > 1 or (plain[0].ndim > 0 and len(data) == 1) else [np.asarray(data)]
        data = list(data)[: len(names)] if ignored and hasattr(data[0], "shape") else list(data)
    else:
        data = [data]
    if len(data) != len(names):
        if data and hasattr(data[0], "shape"):
            raise ValueError(
                f"Error when checking model {what}: the list of Numpy arrays that you are passing to your "
                f"model is not the size the model expected. Expected to see {len(names)} array(s), but "
                f"instead got the following list of {len(data)} arrays: {str(data)[:200]}..."
            )
        if len(names) > 1:
            raise ValueError(
                f"Error when checking model {what}: you are passing a list as input to your model, but the "
                f"model expects a list of {len(names)} Numpy arrays instead. Received: {str(data)[:200]}"
            )
        data = [np.asarray(data)]
    return data


def _array(x: Any) -> Any:
    if x is None or is_symbolic(x):
        return x
    if hasattr(x, "tocsr"):  # a matrix of SciPy; its rows are taken as those of an array
        return x.tocsr()
    if hasattr(x, "dense_shape"):
        return x
    if type(x).__name__ in ("DataFrame", "Series"):
        x = x.values
    return x if hasattr(x, "shape") else np.asarray(x)


def _with_axis(x: Any, shape: Any) -> Any:
    """A vector of numbers as a matrix of one column, where a matrix is asked for."""
    if x is None:
        return None
    dims = int_shape(x) if is_symbolic(x) else x.shape
    if dims is not None and len(dims) == 1 and (shape is None or len(shape) != 1):
        return x[:, None] if is_symbolic(x) else np.expand_dims(x, 1)
    return x


def _check_shape(name: str, shape: Any, x: Any, check_batch: bool, what: str) -> None:
    dims = int_shape(x) if is_symbolic(x) else tuple(x.shape)
    if dims is None:
        return
    if len(dims) != len(shape):
        raise ValueError(
            f"Error when checking {what}: expected {name} to have {len(shape)} dimensions, but got array "
            f"with shape {dims}"
        )
    begin = 0 if check_batch else 1
    for found, wanted in zip(dims[begin:], shape[begin:], strict=True):
        if found is not None and wanted is not None and found != wanted:
            raise ValueError(
                f"Error when checking {what}: expected {name} to have shape {tuple(shape[1:])} but got array "
                f"with shape {tuple(dims[1:])}"
            )


def standardize_weights_by_output(given: Any, names: list[str], what: str) -> list[Any]:
    """One entry of sample or class weights for each output.

    Raises:
      ValueError: there is another number of them.
      TypeError: they are neither a list nor a dict where there are several outputs.
    """
    if given is None or (isinstance(given, list) and not given):
        return [None for _ in names]
    if len(names) == 1:
        if isinstance(given, list | tuple) and len(given) == 1:
            return list(given)
        if isinstance(given, dict) and names[0] in given:
            return [given[names[0]]]
        return [given]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ValueError(
                f"Provided `{what}` was a list of {len(given)} elements, but the model has {len(names)} "
                f"outputs. You should provide one `{what}` array per model output."
            )
        return list(given)
    if isinstance(given, dict):
        unknown = set(given) - set(names)
        if unknown:
            raise ValueError(
                f"Unknown entries in {what} dictionary: {sorted(unknown)}. Only expected {names}"
            )
        return [given.get(name) for name in names]
    raise TypeError(
        f"The model has multiple outputs, so `{what}` should be either a list or a dict. Provided `{what}` "
        f"type not understood: {given}"
    )


def weights_of(y: Any, sample_weight: Any, class_weight: Any, mode: str | None) -> Any:
    """The weights of a target's samples; None where there are none.

    Raises:
      ValueError: they do not fit the target or the mode.
    """
    if isinstance(sample_weight, tuple):
        sample_weight = sample_weight[0]
    if mode is not None and mode != "samplewise":
        if mode != "temporal":
            raise ValueError(f'"sample_weight_mode should be None or "temporal". Found: {mode}')
        if len(y.shape) < 3:
            raise ValueError(
                f"Found a sample_weight array for an input with shape {y.shape}. Timestep-wise sample "
                'weighting (use of sample_weight_mode="temporal") is restricted to outputs that are at '
                "least 3D, i.e. that have a time dimension."
            )
        if sample_weight is not None and not is_symbolic(sample_weight) and len(sample_weight.shape) != 2:
            raise ValueError(
                f"Found a sample_weight array with shape {sample_weight.shape}. In order to use timestep-"
                "wise sample weighting, you should pass a 2D sample_weight array."
            )
    elif sample_weight is not None and not is_symbolic(sample_weight):
        sample_weight = np.asarray(sample_weight)
        if sample_weight.ndim != 1:
            raise ValueError(
                f"Found a sample_weight array with shape {sample_weight.shape}. In order to use timestep-"
                'wise sample weights, you should specify sample_weight_mode="temporal" in compile(). If '
                "you just mean to use sample-wise weights, make sure your sample_weight array is 1D."
            )
    if sample_weight is not None and not is_symbolic(sample_weight) and not is_symbolic(y):
        _check_weights(np.asarray(sample_weight), y)
    found = None
    if isinstance(class_weight, dict) and class_weight:
        found = _class_weights(y, class_weight)
    if found is not None and sample_weight is not None:
        return found * sample_weight
    return found if found is not None else sample_weight


def _check_weights(weights: Any, y: Any) -> None:
    if weights.ndim > y.ndim:
        raise ValueError(
            f"Found a sample_weight with shape {weights.shape}. Expected sample_weight with rank less than "
            f"or equal to {y.ndim}"
        )
    if y.shape[: weights.ndim] != weights.shape:
        raise ValueError(
            f"Found a sample_weight array with shape {weights.shape} for an input with shape {y.shape}. "
            "sample_weight cannot be broadcast."
        )


def _class_weights(y: Any, class_weight: dict[Any, float]) -> Any:
    if len(y.shape) > 2:
        raise ValueError("`class_weight` not supported for 3+ dimensional targets.")
    if is_symbolic(y):
        raise ValueError("class_weight is only supported for arrays of targets. Received: a tensor")
    if len(y.shape) == 2 and y.shape[1] > 1:
        labels = np.argmax(y, axis=1)
    else:
        labels = np.reshape(y, (y.shape[0],))
    missing = set(np.unique(labels)) - set(class_weight)
    if missing:
        raise ValueError(
            f"`class_weight` must contain all classes in the data. The classes {missing} exist in the data "
            "but not in `class_weight`."
        )
    return np.asarray([class_weight[label] for label in labels])


def check_lengths(inputs: list[Any], targets: list[Any], weights: list[Any]) -> None:
    """Refuses arrays of different numbers of samples.

    Raises:
      ValueError: they differ.
    """

    def lengths(values: list[Any]) -> set[int]:
        return {v.shape[0] for v in values if v is not None and not is_symbolic(v)}

    found_x, found_y, found_w = lengths(inputs), lengths(targets), lengths(weights)
    for found, what in ((found_x, "input"), (found_y, "target"), (found_w, "sample_weight")):
        if len(found) > 1:
            shapes = [
                v.shape for v in (inputs if what == "input" else targets if what == "target" else weights)
            ]
            raise ValueError(
                f"All {what} arrays (x) should have the same number of samples. Got array shapes: {shapes}"
            )
    if found_x and found_y and found_x != found_y:
        raise ValueError(
            "Input arrays should have the same number of samples as target arrays. Found "
            f"{min(found_x)} input samples and {min(found_y)} target samples."
        )
    if found_y and found_w and found_y != found_w:
        raise ValueError(
            "Sample_weight arrays should have the same number of samples as target arrays. Got "
            f"{min(found_y)} input samples and {min(found_w)} target samples."
        )


def check_targets(targets: list[Any], losses: list[Any], shapes: list[Any]) -> None:
    """Refuses targets that do not fit their losses.

    Raises:
      ValueError: they do not.
    """
    keyed = {
        functions.mean_squared_error,
        functions.binary_crossentropy,
        functions.categorical_crossentropy,
    }
    kinds = (classes.MeanSquaredError, classes.BinaryCrossentropy, classes.CategoricalCrossentropy)
    for y, loss, shape in zip(targets, losses, shapes, strict=True):
        if y is None or loss is None or is_symbolic(y):
            continue
        fn = getattr(loss, "fn", None)
        if fn is functions.categorical_crossentropy and y.shape[-1] == 1:
            raise ValueError(
                f"You are passing a target array of shape {y.shape} while using as loss "
                "`categorical_crossentropy`. `categorical_crossentropy` expects targets to be binary "
                "matrices (1s and 0s) of shape (samples, classes). If your targets are integer classes, use "
                "the loss function `sparse_categorical_crossentropy` instead."
            )
        if (isinstance(loss, kinds) or fn in keyed) and shape is not None:
            for found, wanted in zip(y.shape[1:], shape[1:], strict=False):
                if wanted is not None and found != wanted:
                    raise ValueError(
                        f"A target array with shape {y.shape} was passed for an output of shape {shape} "
                        f"while using as loss `{getattr(loss, 'name', loss)}`. This loss expects targets "
                        "to have the same shape as the output."
                    )


def sliced(arrays: list[Any], start: Any, stop: int | None = None) -> list[Any]:
    """The same rows of several arrays: a range, or the rows of a list of places."""
    if stop is None and hasattr(start, "__len__"):
        places = start.tolist() if hasattr(start, "tolist") else list(start)
        return [None if a is None else _rows(a, start, places) for a in arrays]
    return [None if a is None else a[start:stop] for a in arrays]


def _rows(array: Any, places: Any, listed: list[int]) -> Any:
    return array[places] if isinstance(array, np.ndarray) else array[listed]
