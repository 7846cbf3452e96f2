"""Initializers under Keras's names, with its defaults, and how they are saved by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.variables import initializers


@public("keras.initializers.RandomNormal", "keras.initializers.normal", "keras.initializers.random_normal")
class RandomNormal(initializers.RandomNormal):
    """Normal numbers of deviation 0.05 unless told otherwise."""

    def __init__(
        self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        super().__init__(mean, stddev, seed, dtype)


@public("keras.initializers.TruncatedNormal", "keras.initializers.truncated_normal")
class TruncatedNormal(initializers.TruncatedNormal):
    """Normal numbers less than two deviations (of 0.05 unless told otherwise) from the mean."""

    def __init__(
        self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        super().__init__(mean, stddev, seed, dtype)


@public("keras.initializers.RandomUniform", "keras.initializers.uniform", "keras.initializers.random_uniform")
class RandomUniform(initializers.RandomUniform):
    """Uniform numbers in [-0.05, 0.05) unless told otherwise."""

    def __init__(
        self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        super().__init__(minval, maxval, seed, dtype)


_BY_NAME: dict[str, Callable[..., Any]] = {
    "Zeros": initializers.Zeros,
    "Ones": initializers.Ones,
    "Constant": initializers.Constant,
    "RandomNormal": RandomNormal,
    "RandomUniform": RandomUniform,
    "TruncatedNormal": TruncatedNormal,
    "VarianceScaling": initializers.VarianceScaling,
    "Orthogonal": initializers.Orthogonal,
    "Identity": initializers.Identity,
    "GlorotUniform": initializers.GlorotUniform,
    "GlorotNormal": initializers.GlorotNormal,
    "zero": initializers.Zeros,
    "zeros": initializers.Zeros,
    "one": initializers.Ones,
    "ones": initializers.Ones,
    "constant": initializers.Constant,
    "normal": RandomNormal,
    "random_normal": RandomNormal,
    "uniform": RandomUniform,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "orthogonal": initializers.Orthogonal,
    "identity": initializers.Identity,
    "glorot_uniform": initializers.GlorotUniform,
    "glorot_normal": initializers.GlorotNormal,
    "lecun_normal": initializers.lecun_normal,
    "lecun_uniform": initializers.lecun_uniform,
    "he_normal": initializers.he_normal,
    "he_uniform": initializers.he_uniform,
}


@public("keras.initializers.serialize")
def serialize(initializer: Any) -> dict[str, Any]:
    """The class name and settings of an initializer."""
    return {"class_name": type(initializer).__name__, "config": initializer.get_config()}


@public("keras.initializers.deserialize")
def deserialize(config: dict[str, Any] | str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that `serialize` described, or that a name stands for.

    Raises:
      ValueError: the name is unknown.
    """
    name, settings = (config, {}) if isinstance(config, str) else (config["class_name"], config["config"])
    known = (custom_objects or {}).get(name) or _BY_NAME.get(name)
    if known is None:
        raise ValueError(f"Unknown initializer. Received: {name!r}")
    return known.from_config(settings) if isinstance(known, type) else known(**settings)


@public("keras.initializers.get")
def get(identifier: Any) -> Any:
    """The initializer that a name, a description or a callable stands for; None for None.

    Raises:
      ValueError: it stands for none.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict | str):
        return deserialize(identifier)
    if callable(identifier):
        return identifier() if isinstance(identifier, type) else identifier
    raise ValueError(f"Could not interpret initializer identifier. Received: {identifier!r}")
