"""Records the signatures of TensorFlow's operation types that millrace does not run.

    PYTHON_WITH_TENSORFLOW tools/record_signatures.py >> LIST       once for each release
    python tools/record_signatures.py --keep LIST                   writes exchange/signatures.tsv

A line of the first step is a type: its signature in the notation of `declare`, a tab, and its attributes as
JSON, name to kind and default. The second step leaves out what millrace declares or reads as something else.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
from typing import Any

TARGET = pathlib.Path(__file__).resolve().parents[1] / "src" / "millrace" / "exchange" / "signatures.tsv"
_FIELDS = {"s": "string", "i": "int", "f": "float", "b": "bool", "type": "type", "shape": "shape"}
_LAST_DTYPE = 123  # the references of 1.15's dtypes; what is above are later ones of half a byte
_LEFT_OUT = re.compile("Xla|Risc|DTensor|Relayout|.*SparseCore|.*Dedup|Tpu|UniformQuantized")  # of compilers
_OF_TESTS = frozenset(
    (
        "A Attr AttrBool AttrBoolList AttrDefault AttrEmptyListDefault AttrEnum AttrEnumList "
        "AttrFloat  AttrListDefault AttrListMin AttrListTypeDefault AttrMin AttrPartialShape "
        "AttrPartialShapeList AttrShape  AttrShapeList AttrTypeDefault B Binary ComplexStruct "
        "ConstructionFails DefaultAttrs DevicePlacementOp  DtypeWithDefaultOp FiveFloatOutputs "
        "FloatInput FloatOutput FloatOutputStringOutput Foo1 Foo2 Foo3  FuncAttr FuncListAttr "
        "GraphDefVersion InPolymorphicTwice Int64Output IntAttr IntInput IntInputFloatInput "
        "IntInputIntOutput IntOutput IntOutputFloatOutput KernelLabel KernelLabelRequired "
        "ListInput ListOutput  MixedStruct NInPolymorphicTwice NInTwice NInTwoTypeVariables "
        "NIntsIn NIntsOut NIntsOutDefault  NPolymorphicIn NPolymorphicOut NPolymorphicOutDefault "
        "NPolymorphicRestrictIn NPolymorphicRestrictOut  None Old OpWithDefaultAttr "
        "OpWithFutureDefaultAttr OutT OutTypeList OutTypeListRestrict Polymorphic "
        "PolymorphicDefaultOut PolymorphicOut RefIn RefInputFloatInput "
        "RefInputFloatInputIntOutput  RefInputIntInput RefOut RefOutput RefOutputFloatOutput "
        "RequiresOlderGraphVersion ReservedAttr  ReservedInput ResourceCreateOp "
        "ResourceInitializedOp ResourceUsingOp Restrict Simple SimpleStruct  SleepIdentityOp "
        "SleepOp StringListAttr StubResourceHandleOp TestAttr TestStringOutput TwoFloatInputs "
        "TwoFloatInputsFloatOutput TwoFloatInputsIntOutput TwoFloatOutputs TwoIntInputs "
        "TwoIntOutputs TwoRefsIn  TypeList TypeListRestrict TypeListTwice Unary CopyOp WindowOp"
    ).split()
)


def _argument(arg: Any, names: Any) -> str:
    kind = arg.type_attr or arg.type_list_attr or names(arg.type)
    kind = f"{arg.number_attr}*{kind}" if arg.number_attr else kind
    return f"{arg.name}: Ref[{kind}]" if arg.is_ref else f"{arg.name}: {kind}"


def _plain(field: str, value: Any, names: Any) -> Any:
    if field == "shape":
        return None if value.unknown_rank else [d.size for d in value.dim]
    if field == "type":
        return names(value)
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _default(value: Any, names: Any) -> Any:
    field = value.WhichOneof("value")
    if field == "list":
        found = [(f.name, v) for f, v in value.list.ListFields()]
        return [_plain(name, v, names) for name, items in found if name in _FIELDS for v in items]
    return _plain(field, getattr(value, field), names) if field in _FIELDS else None


def record() -> None:
    """Prints a line for each type of the TensorFlow of this Python."""
    import tensorflow as tf  # pyright: ignore[reportMissingImports]
    from tensorflow.core.framework import op_def_pb2  # pyright: ignore[reportMissingImports]

    try:
        from tensorflow.python.client import pywrap_tf_session as c  # pyright: ignore[reportMissingImports]
    except ImportError:
        from tensorflow.python import pywrap_tensorflow as c  # pyright: ignore[reportMissingImports]
    known = op_def_pb2.OpList.FromString(c.TF_GetBuffer(c.TF_GetAllOpList()))

    def names(number: int) -> str:
        return tf.as_dtype(number).name

    for op in known.op:
        if any(a.type > _LAST_DTYPE for a in (*op.input_arg, *op.output_arg)):
            continue
        inputs = ", ".join(_argument(a, names) for a in op.input_arg)
        outputs = ", ".join(_argument(a, names) for a in op.output_arg)
        attrs = {}
        for attr in op.attr:
            attrs[attr.name] = [attr.type]
            if attr.HasField("default_value"):
                attrs[attr.name].append(_default(attr.default_value, names))
        print(f"{op.name}({inputs}) -> {outputs}\t{json.dumps(attrs)}")


def keep(lists: list[str]) -> None:
    """Writes the types of the lists that millrace lacks, each as the last list has it."""
    from millrace.exchange.other_types import READ_AS
    from millrace.graph._rooms import ROOMS

    found = {}
    for path in lists:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            name = line.partition("(")[0]
            if name in ROOMS or name in READ_AS or name in _OF_TESTS:
                continue
            if not name[:1].isupper() or ">" in name or _LEFT_OUT.match(name):
                continue
            found.setdefault(name, line)
    TARGET.write_text("".join(f"{found[name]}\n" for name in sorted(found)), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--keep"]:
        keep(sys.argv[2:])
    else:
        record()
