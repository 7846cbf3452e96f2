"""Objects that are saved by name: what a name stands for, and how an object describes itself."""

from __future__ import annotations

import inspect
import threading
from typing import Any

from millrace.core.public import public


class _Custom(threading.local):
    """The objects that a program has added, for each thread."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}


_custom = _Custom()


@public("keras.utils.get_custom_objects")
def get_custom_objects() -> dict[str, Any]:
    """The dict of names that a program has added; changing it changes what names stand for."""
    return _custom.objects


@public("keras.utils.CustomObjectScope")
class CustomObjectScope:
    """Adds names for saved objects inside a `with` block.

    Args:
      *args: dicts from names to classes or functions.
    """

    def __init__(self, *args: Any) -> None:
        self.custom_objects = args
        self.backup: dict[str, Any] = {}

    def __enter__(self) -> CustomObjectScope:
        self.backup = dict(_custom.objects)
        for objects in self.custom_objects:
            _custom.objects.update(objects or {})
        return self

    def __exit__(self, *error: Any) -> None:
        _custom.objects.clear()
        _custom.objects.update(self.backup)


@public("keras.utils.custom_object_scope")
def custom_object_scope(*args: Any) -> CustomObjectScope:
    """The same as `CustomObjectScope(*args)`."""
    return CustomObjectScope(*args)


@public("keras.utils.serialize_keras_object")
def serialize_keras_object(instance: Any) -> Any:
    """How an object is saved: class name and settings, or the name of a function; None for None.

    Raises:
      ValueError: it has neither settings nor a name.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": dict(instance.get_config())}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise ValueError(f"Cannot serialize an object without get_config and name. Received: {instance!r}")


def found(name: str, module_objects: Any, custom_objects: Any, kind: str) -> Any:
    """What a name stands for: in `custom_objects`, in the program's own, in the module's.

    Raises:
      ValueError: none has it.
    """
    for names in (custom_objects, _custom.objects, module_objects):
        if names and name in names:
            return names[name]
    raise ValueError(f"Unknown {kind}: {name}")


@public("keras.utils.deserialize_keras_object")
def deserialize_keras_object(
    identifier: Any,
    module_objects: dict[str, Any] | None = None,
    custom_objects: dict[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that `serialize_keras_object` described.

    Args:
      identifier: a dict of class name and settings, a name, or a function, which stands for itself.
      module_objects: what names stand for.
      custom_objects: more of them, looked at first.
      printable_module_name: what the objects are, for messages.

    Raises:
      ValueError: the name is unknown, or the identifier is something else.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        if "class_name" not in identifier or "config" not in identifier:
            raise ValueError(f"Improper config format. Received: {identifier}")
        cls = found(identifier["class_name"], module_objects, custom_objects, printable_module_name)
        config = identifier["config"]
        if not hasattr(cls, "from_config"):
            with CustomObjectScope(custom_objects):
                return cls(**config)
        if "custom_objects" in inspect.signature(cls.from_config).parameters:
            known = {**_custom.objects, **(custom_objects or {})}
            return cls.from_config(config, custom_objects=known)
        with CustomObjectScope(custom_objects):
            return cls.from_config(config)
    if isinstance(identifier, str):
        thing = found(identifier, module_objects, custom_objects, printable_module_name)
        return thing() if isinstance(thing, type) else thing
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret serialized {printable_module_name}. Received: {identifier!r}")


class Context(threading.local):
    """Which layers' calls are in progress in this thread."""

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.training: list[Any] = []
        self.inputs: list[Any] = []

    @property
    def in_call(self) -> bool:
        """Whether a layer's call is in progress."""
        return bool(self.layers)

    def entered(self, layer: Any, training: Any, inputs: Any) -> _Entered:
        """A context in which `layer` is being called with `inputs`."""
        return _Entered(self, layer, training, inputs)


class _Entered:
    def __init__(self, context: Context, layer: Any, training: Any, inputs: Any) -> None:
        self._context, self._layer, self._training, self._inputs = context, layer, training, inputs

    def __enter__(self) -> None:
        self._context.layers.append(self._layer)
        self._context.training.append(self._training)
        self._context.inputs.append(self._inputs)

    def __exit__(self, *error: Any) -> None:
        self._context.layers.pop()
        self._context.training.pop()
        self._context.inputs.pop()


calls = Context()
