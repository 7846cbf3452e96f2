"""`HParams`: hyperparameters with names and types, read from texts, dictionaries, JSON and messages."""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Callable
from typing import Any

from millrace.core import protos
from millrace.core.public import public

_ASSIGNMENT = re.compile(
    r"""
    (?P<name>[a-zA-Z][\w.]*)
    (\[\s*(?P<index>\d+)\s*\])?
    \s*=\s*
    ((?P<val>[^,\[]*)|\[(?P<vals>[^\]]*)\])
    ($|,\s*)""",
    re.VERBOSE,
)


def _boolean(text: str) -> bool:
    if text in ("true", "True"):
        return True
    if text in ("false", "False"):
        return False
    return bool(int(text))


def _reader(kind: Any) -> Callable[[str], Any]:
    return _boolean if kind is bool else kind


@public("contrib.training.parse_values", "contrib.training.python.training.hparam.parse_values")
def parse_values(values: str, type_map: dict[str, Any], ignore_unknown: bool = False) -> dict[str, Any]:
    """Reads assignments from a text: `a=1,b=[x,y],c[2]=5`.

    Args:
      values: the text.
      type_map: name -> type.
      ignore_unknown: pass over names that are not in it.

    Returns:
      name -> value, list of values, or dictionary from index to value.

    Raises:
      ValueError: the text is malformed, a name is unknown or comes twice, or a value is not of its type.
    """
    results: dict[str, Any] = {}
    place = 0
    while place < len(values):
        found = _ASSIGNMENT.match(values, place)
        if not found:
            raise ValueError(f"Malformed hyperparameter value: {values[place:]}")
        place = found.end()
        name = found["name"].strip()
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        try:
            _assign(results, name, _reader(type_map[name]), found)
        except ValueError as error:
            raise ValueError(
                f"Could not parse hparam '{name}' of type '{type_map[name].__name__}' in: {values}. {error}"
            ) from None
    return results


def _assign(results: dict[str, Any], name: str, read: Callable[[str], Any], found: re.Match[str]) -> None:
    if found["val"] is not None:
        value = read(found["val"])
        if found["index"] is None:
            if name in results:
                raise ValueError(f"Multiple assignments to variable '{name}'")
            results[name] = value
            return
        if not isinstance(results.setdefault(name, {}), dict):
            raise ValueError(f"Multiple assignments to variable '{name}'")
        index = int(found["index"])
        if index in results[name]:
            raise ValueError(f"Multiple assignments to variable '{name}[{index}]'")
        results[name][index] = value
        return
    if found["index"] is not None:
        raise ValueError("Assignment of a list to a list index.")
    if name in results:
        raise ValueError(f"Multiple assignments to variable '{name}'")
    results[name] = [read(item) for item in re.split(r"[ ,]\s*", found["vals"]) if item]


def _cast(name: str, kind: Any, value: Any) -> Any:
    """`value` as `kind`, where nothing is lost.

    Raises:
      ValueError: it does not fit.
    """
    if issubclass(kind, type(None)):
        return value
    fits: bool = True
    make: Callable[[Any], Any] = kind
    if issubclass(kind, str | bytes) and not isinstance(value, str | bytes):
        fits = False
    if issubclass(kind, bool) != isinstance(value, bool):
        fits = False
    if issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral):
        fits = False
    if issubclass(kind, numbers.Number) and not isinstance(value, numbers.Number):
        fits = False
    if not fits:
        raise ValueError(f"Could not cast hparam '{name}' of type '{kind.__name__}' from value {value!r}")
    return make(value)


@public(
    "contrib.training.HParams",
    "contrib.training.python.training.hparam.HParams",
)
class HParams:
    """Hyperparameters: attributes whose types are those of their first values.

    Args:
      hparam_def: an `HParamDef` message to begin with.
      model_structure: anything that describes the model.
      **kwargs: name -> value: a number, string, bool, or a list of one of them.

    Raises:
      ValueError: a name is reserved, a list is empty, or there are a message and values.
      AssertionError: `hparam_def` is not an `HParamDef`.
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        self._hparam_types: dict[str, tuple[Any, bool]] = {}
        self._model_structure = model_structure
        if hparam_def is not None:
            if kwargs:
                raise ValueError(
                    f"HParams: give hparam_def or values, not both. Received: {', '.join(sorted(kwargs))}"
                )
            if not isinstance(hparam_def, protos.HParamDef):
                raise AssertionError(f"HParams: hparam_def must be an HParamDef. Received: {hparam_def!r}")
            self._read(hparam_def)
            return
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def _read(self, message: Any) -> None:
        for name, value in message.hparam.items():
            kind = value.WhichOneof("kind")
            found = getattr(value, kind)
            if kind.endswith("_list"):
                items = list(found.value)
                text = kind.startswith("bytes")
                self.add_hparam(name, [v.decode() for v in items] if text else items)
            else:
                self.add_hparam(name, found.decode() if kind.startswith("bytes") else found)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyperparameter.

        Raises:
          ValueError: the name is taken, or `value` is an empty list.
        """
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, list | tuple):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._hparam_types[name] = (type(value[0]), True)
        else:
            self._hparam_types[name] = (type(value), False)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Sets a hyperparameter that there is.

        Raises:
          KeyError: there is none of this name.
          ValueError: `value` is not of its type.
        """
        kind, many = self._hparam_types[name]
        if isinstance(value, list):
            if not many:
                raise ValueError(f"Must not pass a list for single-valued parameter: {name}")
            setattr(self, name, [_cast(name, kind, v) for v in value])
        else:
            if many:
                raise ValueError(f"Must pass a list for multi-valued parameter: {name}.")
            setattr(self, name, _cast(name, kind, value))

    def del_hparam(self, name: str) -> None:
        """Removes a hyperparameter, where there is one of this name."""
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> HParams:
        """Sets what a text assigns: `a=1,b=[x,y]`.

        Raises:
          ValueError: the text is malformed, a name is unknown, or a value is not of its type.
        """
        kinds = {name: kind for name, (kind, _) in self._hparam_types.items()}
        return self.override_from_dict(parse_values(values, kinds))

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Sets what a dictionary holds.

        Raises:
          KeyError: a name is unknown.
          ValueError: a value is not of its type.
        """
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def set_from_map(self, values_map: dict[str, Any]) -> HParams:
        """The older name of `override_from_dict`."""
        return self.override_from_dict(values_map)

    def set_model_structure(self, model_structure: Any) -> None:
        """Sets what describes the model."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """What describes the model."""
        return self._model_structure

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """The hyperparameters as a JSON object; functions are left out."""
        plain = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(plain, indent=indent, separators=separators, sort_keys=sort_keys)

    def parse_json(self, values_json: str) -> HParams:
        """Sets what a JSON object holds."""
        return self.override_from_dict(json.loads(values_json))

    def values(self) -> dict[str, Any]:
        """name -> value."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        """A hyperparameter, or `default` where there is none of this name.

        Raises:
          ValueError: `default` is not of its type.
        """
        if key not in self._hparam_types:
            return default
        if default is not None:
            kind, many = self._hparam_types[key]
            shown = f"list<{kind}>" if many else str(kind)
            message = f"Hparam '{key}' of type '{shown}' is incompatible with default={default}"
            if many != isinstance(default, list):
                raise ValueError(message)
            try:
                for value in default if many else [default]:
                    _cast(key, kind, value)
            except ValueError as error:
                raise ValueError(f"{message}. {error}") from None
        return getattr(self, key)

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.values().items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self.values().items())})"

    @staticmethod
    def _get_kind_name(param_type: Any, is_list: bool) -> str:
        """The field of a message that holds values of a type.

        Raises:
          ValueError: there is none.
        """
        if issubclass(param_type, bool):
            name = "bool"
        elif issubclass(param_type, numbers.Integral):
            name = "int64"
        elif issubclass(param_type, str | bytes):
            name = "bytes"
        elif issubclass(param_type, float):
            name = "float"
        else:
            raise ValueError(f"Unsupported parameter type: {param_type}")
        return f"{name}_{'list' if is_list else 'value'}"

    def instantiate(self) -> HParams:
        """The hyperparameters themselves."""
        return self

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The hyperparameters as an `HParamDef` message."""
        message = protos.HParamDef()
        for name, (kind, many) in self._hparam_types.items():
            value = getattr(self, name)
            field = self._get_kind_name(kind, many)
            if many:
                items = [v.encode() if isinstance(v, str) else v for v in value]
                getattr(message.hparam[name], field).value.extend(items)
            else:
                value = value.encode() if isinstance(value, str) else value
                setattr(message.hparam[name], field, value)
        return message

    @staticmethod
    def from_proto(hparam_def: Any, import_scope: str | None = None) -> HParams:
        """The hyperparameters of an `HParamDef` message."""
        return HParams(hparam_def=hparam_def)
