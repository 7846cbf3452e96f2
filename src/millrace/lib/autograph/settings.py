"""What conversion does and where: optional features, options, and the state of the thread."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import Any

from millrace.core.public import public


@public("autograph.experimental.Feature", "contrib.autograph.Feature")
class Feature(enum.Enum):
    """What a conversion does besides branches, loops, logic and calls, where it is asked to."""

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

    @classmethod
    def all(cls) -> tuple[Feature, ...]:
        """All features."""
        return tuple(cls)

    @classmethod
    def all_but(cls, exclude: Any) -> tuple[Feature, ...]:
        """All features but one or several."""
        left_out = exclude if isinstance(exclude, list | tuple | set) else (exclude,)
        return tuple(f for f in cls if f not in left_out and f is not cls.ALL)


@dataclass(frozen=True)
class Options:
    """How functions are converted.

    Attributes:
      recursive: functions that are called are converted too.
      features: the optional ones that are asked for.
    """

    recursive: bool = True
    features: frozenset[Feature] = frozenset()

    def uses(self, feature: Feature) -> bool:
        """Whether an optional feature is asked for."""
        return feature in self.features or Feature.ALL in self.features


def features_of(given: Any) -> frozenset[Feature]:
    """A feature, several of them or None as a set.

    Raises:
      TypeError: something else is among them.
    """
    several = () if given is None else (given,) if isinstance(given, Feature) else tuple(given)
    for feature in several:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"optional features are of tf.autograph.experimental.Feature. Received: {feature!r}"
            )
    return frozenset(several)


DEFAULT = Options()


class _Thread(threading.local):
    """Whether calls are converted in this thread: the options of the innermost place that said so."""

    def __init__(self) -> None:
        self.stack: list[Options | None] = []


_thread = _Thread()


def enabled() -> bool:
    """False inside of a function that is not to be converted."""
    stack = _thread.stack
    return not stack or stack[-1] is not None


class entered:  # noqa: N801 - used like a function
    """A context in which calls are converted by `options`, or not at all where that is None."""

    __slots__ = ("_options",)

    def __init__(self, options: Options | None) -> None:
        self._options = options

    def __enter__(self) -> None:
        _thread.stack.append(self._options)

    def __exit__(self, *error: Any) -> None:
        _thread.stack.pop()
