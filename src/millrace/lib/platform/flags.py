"""`tf.flags` and `tf.app.flags`: absl's flags, which parse the command line when one is first read."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from absl import flags as _flags

from millrace.core.public import public

_OLD_NAMES = {"flag_name": "name", "default_value": "default", "docstring": "help"}

_flags.disclaim_key_flags()  # a flag belongs to the program that defines it, not to this module


def _with_old_names(define: Callable[..., Any]) -> Callable[..., Any]:
    """A DEFINE function that also knows its arguments by the names of TensorFlow's early releases."""

    @functools.wraps(define)
    def defined(*args: Any, **kwargs: Any) -> Any:
        return define(*args, **{_OLD_NAMES.get(name, name): value for name, value in kwargs.items()})

    return defined


class _Flags:
    """absl's FLAGS; reading a flag parses `sys.argv` unless that was done."""

    def __init__(self, values: Any) -> None:
        object.__setattr__(self, "_values", values)

    def _parsed(self) -> Any:
        values = object.__getattribute__(self, "_values")
        if not values.is_parsed():
            values(sys.argv)
        return values

    def __getattribute__(self, name: str) -> Any:
        if name == "_parsed" or name == "__dict__" or name == "__class__":
            return object.__getattribute__(self, name)
        values = object.__getattribute__(self, "_values")
        if name not in ("is_parsed", "mark_as_parsed") and name in values:
            values = object.__getattribute__(self, "_parsed")()
        return getattr(values, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_values"), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_values"), name)

    def __getitem__(self, name: str) -> Any:
        return object.__getattribute__(self, "_values")[name]

    def __contains__(self, name: str) -> bool:
        return name in object.__getattribute__(self, "_values")

    def __iter__(self) -> Any:
        return iter(object.__getattribute__(self, "_values"))

    def __len__(self) -> int:
        return len(object.__getattribute__(self, "_values"))

    def __dir__(self) -> list[str]:
        return dir(object.__getattribute__(self, "_values"))

    def __call__(self, argv: Any, known_only: bool = False) -> list[str]:
        return object.__getattribute__(self, "_values")(argv, known_only)


FLAGS = public("flags.FLAGS", "app.flags.FLAGS", "python.platform.flags.FLAGS")(_Flags(_flags.FLAGS))

DEFINE = public("flags.DEFINE", "app.flags.DEFINE", "python.platform.flags.DEFINE")(_flags.DEFINE)
DEFINE_alias = public("flags.DEFINE_alias", "app.flags.DEFINE_alias", "python.platform.flags.DEFINE_alias")(
    _flags.DEFINE_alias
)
DEFINE_bool = public("flags.DEFINE_bool", "app.flags.DEFINE_bool", "python.platform.flags.DEFINE_bool")(
    _with_old_names(_flags.DEFINE_bool)
)
DEFINE_boolean = public(
    "flags.DEFINE_boolean", "app.flags.DEFINE_boolean", "python.platform.flags.DEFINE_boolean"
)(_with_old_names(_flags.DEFINE_boolean))
DEFINE_enum = public("flags.DEFINE_enum", "app.flags.DEFINE_enum", "python.platform.flags.DEFINE_enum")(
    _flags.DEFINE_enum
)
DEFINE_enum_class = public(
    "flags.DEFINE_enum_class", "app.flags.DEFINE_enum_class", "python.platform.flags.DEFINE_enum_class"
)(_flags.DEFINE_enum_class)
DEFINE_flag = public("flags.DEFINE_flag", "app.flags.DEFINE_flag", "python.platform.flags.DEFINE_flag")(
    _flags.DEFINE_flag
)
DEFINE_float = public("flags.DEFINE_float", "app.flags.DEFINE_float", "python.platform.flags.DEFINE_float")(
    _with_old_names(_flags.DEFINE_float)
)
DEFINE_integer = public(
    "flags.DEFINE_integer", "app.flags.DEFINE_integer", "python.platform.flags.DEFINE_integer"
)(_with_old_names(_flags.DEFINE_integer))
DEFINE_list = public("flags.DEFINE_list", "app.flags.DEFINE_list", "python.platform.flags.DEFINE_list")(
    _flags.DEFINE_list
)
DEFINE_multi = public("flags.DEFINE_multi", "app.flags.DEFINE_multi", "python.platform.flags.DEFINE_multi")(
    _flags.DEFINE_multi
)
DEFINE_multi_enum = public(
    "flags.DEFINE_multi_enum", "app.flags.DEFINE_multi_enum", "python.platform.flags.DEFINE_multi_enum"
)(_flags.DEFINE_multi_enum)
DEFINE_multi_enum_class = public(
    "flags.DEFINE_multi_enum_class",
    "app.flags.DEFINE_multi_enum_class",
    "python.platform.flags.DEFINE_multi_enum_class",
)(_flags.DEFINE_multi_enum_class)
DEFINE_multi_float = public(
    "flags.DEFINE_multi_float", "app.flags.DEFINE_multi_float", "python.platform.flags.DEFINE_multi_float"
)(_flags.DEFINE_multi_float)
DEFINE_multi_integer = public(
    "flags.DEFINE_multi_integer",
    "app.flags.DEFINE_multi_integer",
    "python.platform.flags.DEFINE_multi_integer",
)(_flags.DEFINE_multi_integer)
DEFINE_multi_string = public(
    "flags.DEFINE_multi_string", "app.flags.DEFINE_multi_string", "python.platform.flags.DEFINE_multi_string"
)(_flags.DEFINE_multi_string)
DEFINE_spaceseplist = public(
    "flags.DEFINE_spaceseplist", "app.flags.DEFINE_spaceseplist", "python.platform.flags.DEFINE_spaceseplist"
)(_flags.DEFINE_spaceseplist)
DEFINE_string = public(
    "flags.DEFINE_string", "app.flags.DEFINE_string", "python.platform.flags.DEFINE_string"
)(_with_old_names(_flags.DEFINE_string))

ArgumentParser = public("flags.ArgumentParser", "app.flags.ArgumentParser")(_flags.ArgumentParser)
ArgumentSerializer = public("flags.ArgumentSerializer", "app.flags.ArgumentSerializer")(
    _flags.ArgumentSerializer
)
BaseListParser = public("flags.BaseListParser", "app.flags.BaseListParser")(_flags.BaseListParser)
BooleanFlag = public("flags.BooleanFlag", "app.flags.BooleanFlag")(_flags.BooleanFlag)
BooleanParser = public("flags.BooleanParser", "app.flags.BooleanParser")(_flags.BooleanParser)
CantOpenFlagFileError = public("flags.CantOpenFlagFileError", "app.flags.CantOpenFlagFileError")(
    _flags.CantOpenFlagFileError
)
CsvListSerializer = public("flags.CsvListSerializer", "app.flags.CsvListSerializer")(_flags.CsvListSerializer)
DuplicateFlagError = public("flags.DuplicateFlagError", "app.flags.DuplicateFlagError")(
    _flags.DuplicateFlagError
)
EnumClassFlag = public("flags.EnumClassFlag", "app.flags.EnumClassFlag")(_flags.EnumClassFlag)
EnumClassListSerializer = public("flags.EnumClassListSerializer", "app.flags.EnumClassListSerializer")(
    _flags.EnumClassListSerializer
)
EnumClassParser = public("flags.EnumClassParser", "app.flags.EnumClassParser")(_flags.EnumClassParser)
EnumClassSerializer = public("flags.EnumClassSerializer", "app.flags.EnumClassSerializer")(
    _flags.EnumClassSerializer
)
EnumFlag = public("flags.EnumFlag", "app.flags.EnumFlag")(_flags.EnumFlag)
EnumParser = public("flags.EnumParser", "app.flags.EnumParser")(_flags.EnumParser)
Error = public("flags.Error", "app.flags.Error")(_flags.Error)
Flag = public("flags.Flag", "app.flags.Flag")(_flags.Flag)
FlagHolder = public("flags.FlagHolder", "app.flags.FlagHolder")(_flags.FlagHolder)
FlagNameConflictsWithMethodError = public(
    "flags.FlagNameConflictsWithMethodError", "app.flags.FlagNameConflictsWithMethodError"
)(_flags.FlagNameConflictsWithMethodError)
FlagValues = public("flags.FlagValues", "app.flags.FlagValues")(_flags.FlagValues)
FloatParser = public("flags.FloatParser", "app.flags.FloatParser")(_flags.FloatParser)
IllegalFlagValueError = public("flags.IllegalFlagValueError", "app.flags.IllegalFlagValueError")(
    _flags.IllegalFlagValueError
)
IntegerParser = public("flags.IntegerParser", "app.flags.IntegerParser")(_flags.IntegerParser)
ListParser = public("flags.ListParser", "app.flags.ListParser")(_flags.ListParser)
ListSerializer = public("flags.ListSerializer", "app.flags.ListSerializer")(_flags.ListSerializer)
MultiEnumClassFlag = public("flags.MultiEnumClassFlag", "app.flags.MultiEnumClassFlag")(
    _flags.MultiEnumClassFlag
)
MultiFlag = public("flags.MultiFlag", "app.flags.MultiFlag")(_flags.MultiFlag)
UnparsedFlagAccessError = public("flags.UnparsedFlagAccessError", "app.flags.UnparsedFlagAccessError")(
    _flags.UnparsedFlagAccessError
)
UnrecognizedFlagError = public("flags.UnrecognizedFlagError", "app.flags.UnrecognizedFlagError")(
    _flags.UnrecognizedFlagError
)
ValidationError = public("flags.ValidationError", "app.flags.ValidationError")(_flags.ValidationError)
WhitespaceSeparatedListParser = public(
    "flags.WhitespaceSeparatedListParser", "app.flags.WhitespaceSeparatedListParser"
)(_flags.WhitespaceSeparatedListParser)
adopt_module_key_flags = public("flags.adopt_module_key_flags", "app.flags.adopt_module_key_flags")(
    _flags.adopt_module_key_flags
)
declare_key_flag = public("flags.declare_key_flag", "app.flags.declare_key_flag")(_flags.declare_key_flag)
disclaim_key_flags = public("flags.disclaim_key_flags", "app.flags.disclaim_key_flags")(
    _flags.disclaim_key_flags
)
doc_to_help = public("flags.doc_to_help", "app.flags.doc_to_help")(_flags.doc_to_help)
flag_dict_to_args = public("flags.flag_dict_to_args", "app.flags.flag_dict_to_args")(_flags.flag_dict_to_args)
get_help_width = public("flags.get_help_width", "app.flags.get_help_width")(_flags.get_help_width)
mark_bool_flags_as_mutual_exclusive = public(
    "flags.mark_bool_flags_as_mutual_exclusive", "app.flags.mark_bool_flags_as_mutual_exclusive"
)(_flags.mark_bool_flags_as_mutual_exclusive)
mark_flag_as_required = public("flags.mark_flag_as_required", "app.flags.mark_flag_as_required")(
    _flags.mark_flag_as_required
)
mark_flags_as_mutual_exclusive = public(
    "flags.mark_flags_as_mutual_exclusive", "app.flags.mark_flags_as_mutual_exclusive"
)(_flags.mark_flags_as_mutual_exclusive)
mark_flags_as_required = public("flags.mark_flags_as_required", "app.flags.mark_flags_as_required")(
    _flags.mark_flags_as_required
)
multi_flags_validator = public("flags.multi_flags_validator", "app.flags.multi_flags_validator")(
    _flags.multi_flags_validator
)
override_value = public("flags.override_value", "app.flags.override_value")(_flags.override_value)
register_multi_flags_validator = public(
    "flags.register_multi_flags_validator", "app.flags.register_multi_flags_validator"
)(_flags.register_multi_flags_validator)
register_validator = public("flags.register_validator", "app.flags.register_validator")(
    _flags.register_validator
)
set_default = public("flags.set_default", "app.flags.set_default")(_flags.set_default)
text_wrap = public("flags.text_wrap", "app.flags.text_wrap")(_flags.text_wrap)
validator = public("flags.validator", "app.flags.validator")(_flags.validator)
