"""Element types: names, numbers, conversions and the interned identity."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

from millrace.core import dtypes
from millrace.core.dtypes import DType, as_dtype

# (DataType number, name, bytes per element): TensorFlow's facts, which GraphDefs and checkpoints carry.
TABLE = [
    (1, "float32", 4),
    (2, "float64", 8),
    (3, "int32", 4),
    (4, "uint8", 1),
    (5, "int16", 2),
    (6, "int8", 1),
    (7, "string", 8),
    (8, "complex64", 8),
    (9, "int64", 8),
    (10, "bool", 1),
    (11, "qint8", 1),
    (12, "quint8", 1),
    (13, "qint32", 4),
    (14, "bfloat16", 2),
    (15, "qint16", 2),
    (16, "quint16", 2),
    (17, "uint16", 2),
    (18, "complex128", 16),
    (19, "float16", 2),
    (20, "resource", 1),
    (21, "variant", 1),
    (22, "uint32", 4),
    (23, "uint64", 8),
]


@pytest.mark.parametrize(("enum", "name", "size"), TABLE)
def test_every_type_and_its_reference(enum, name, size):
    dtype = getattr(dtypes, name)
    assert (dtype.as_datatype_enum, dtype.name, dtype.size) == (enum, name, size)
    assert int(dtype) == hash(dtype) == enum
    assert repr(dtype) == f"tf.{name}"
    assert str(dtype) == f"<dtype: '{name}'>"
    assert dtype is as_dtype(name) is as_dtype(enum) is DType(enum) is as_dtype(dtype)
    assert dtype.base_dtype is dtype
    assert not dtype.is_ref_dtype and not dtype._is_ref_dtype

    ref = getattr(dtypes, name + "_ref")
    assert ref is dtype.as_ref is dtype._as_ref is ref.as_ref
    assert ref is as_dtype(name + "_ref") is as_dtype(enum + 100)
    assert (ref.as_datatype_enum, ref.name, ref.size) == (enum + 100, name + "_ref", size)
    assert ref.is_ref_dtype and ref._is_ref_dtype and ref.base_dtype is dtype
    assert ref != dtype
    assert dtype.is_compatible_with(ref) and not ref.is_compatible_with(dtype)

    for kept in (dtype, ref):
        assert pickle.loads(pickle.dumps(kept)) is copy.copy(kept) is copy.deepcopy(kept) is kept


def test_the_table_is_complete():
    assert {d.as_datatype_enum for d in dtypes.ALL} == {row[0] for row in TABLE}


def test_kinds_partition_the_types():
    def named(flag):
        return " ".join(sorted(d.name for d in dtypes.ALL if getattr(d, flag)))

    assert named("is_floating") == "bfloat16 float16 float32 float64"
    assert named("is_complex") == "complex128 complex64"
    assert named("is_integer") == "int16 int32 int64 int8 uint16 uint32 uint64 uint8"
    assert named("is_unsigned") == "uint16 uint32 uint64 uint8"
    assert named("is_quantized") == "qint16 qint32 qint8 quint16 quint8"
    assert named("is_bool") == "bool"
    assert {d.name for d in dtypes.ALL if not d.is_numpy_compatible} == {"resource", "variant"}


def test_sets_for_declarations():
    assert dtypes.FLOATING == {d for d in dtypes.ALL if d.is_floating}
    assert dtypes.INTEGER == {d for d in dtypes.ALL if d.is_integer} == dtypes.SIGNED | dtypes.UNSIGNED
    assert dtypes.UNSIGNED == {d for d in dtypes.ALL if d.is_unsigned}
    assert dtypes.REAL == dtypes.FLOATING | dtypes.INTEGER
    assert dtypes.NUMERIC == dtypes.REAL | dtypes.COMPLEX
    assert dtypes.QUANTIZED == {d for d in dtypes.ALL if d.is_quantized}
    assert dtypes.QUANTIZED_DTYPES == dtypes.QUANTIZED | {d.as_ref for d in dtypes.QUANTIZED}
    assert dtypes.INDEX == {dtypes.int32, dtypes.int64}
    assert not any(d.is_ref_dtype for d in dtypes.ALL)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("half_ref", "float16_ref"),
        (float, "float32"),
        (bool, "bool"),
        (object, "string"),
        (np.float16, "float16"),
        (np.longlong, "int64"),
        (np.ulonglong, "uint64"),
        (np.bool_, "bool"),
        (np.object_, "string"),
        (np.str_, "string"),
        (np.bytes_, "string"),
        (np.dtype("S5"), "string"),
        (np.dtype("<U7"), "string"),
        (np.dtype(">i4"), "int32"),
        (np.dtype(">f8"), "float64"),
        (ml_dtypes.bfloat16, "bfloat16"),
        (np.dtype(ml_dtypes.bfloat16), "bfloat16"),
        (np.dtype([("qint8", np.int8)]), "qint8"),
        (np.int32(1), "float32"),
    ],
    ids=repr,
)
def test_as_dtype(value, name):
    assert as_dtype(value) is as_dtype(name)
    assert as_dtype(name) == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        99,
        120.5,
        "int",
        "float33",
        "Float32",
        "f4",
        pytest.param(object(), id="object"),
        [1],
        list,
        type(None),
        np.datetime64,
        np.array(1.0),
    ],
    ids=repr,
)
def test_as_dtype_refuses(value):
    with pytest.raises(TypeError, match=r"^as_dtype: .*cannot convert"):
        as_dtype(value)
    assert (dtypes.float32 == value) is False
    assert (dtypes.float32 != value) is True


def test_refused_values_end_the_message():
    with pytest.raises(TypeError, match=r"argument 'type_value': .*'float33' \(type str\) to a DType$"):
        as_dtype("float33")
    with pytest.raises(TypeError, match=r"got 99$"):
        DType(99)


def test_comparison_with_what_names_a_type():
    assert dtypes.float32 == "float32" == dtypes.float32
    assert dtypes.float32 == np.float32 and dtypes.float32 == 1 and dtypes.float32 == np.dtype("float32")
    assert dtypes.float32 != "float64" and dtypes.float32 != dtypes.float64
    assert dtypes.int32.is_compatible_with("int32_ref") and not dtypes.int32.is_compatible_with(np.int64)
    with pytest.raises(TypeError):
        dtypes.int32.is_compatible_with(None)


@pytest.mark.parametrize("dtype", sorted(dtypes.ALL, key=int), ids=str)
def test_numpy_side(dtype):
    assert isinstance(dtype.np_dtype, np.dtype)
    assert dtype.np_dtype == np.dtype(dtype.as_numpy_dtype)
    assert np.zeros(2, dtype.as_numpy_dtype).dtype == dtype.np_dtype
    if dtype.is_numpy_compatible:
        assert as_dtype(dtype.np_dtype) is dtype
        assert as_dtype(dtype.as_numpy_dtype) is dtype


def test_real_dtype():
    assert dtypes.complex64.real_dtype is dtypes.float32
    assert dtypes.complex128.as_ref.real_dtype is dtypes.float64
    assert dtypes.int8.real_dtype is dtypes.int8
    assert dtypes.int8_ref.real_dtype is dtypes.int8_ref


def test_extremes_and_limits():
    assert (dtypes.int32.min, dtypes.int32.max, dtypes.int32.limits) == (-(2**31), 2**31 - 1, (0, 2**31 - 1))
    assert (dtypes.uint64.min, dtypes.uint64.max) == (0, 2**64 - 1)
    assert isinstance(dtypes.float32.max, np.float32) and dtypes.float32.max == np.finfo(np.float32).max
    assert dtypes.float16.min == -65504
    assert float(dtypes.bfloat16.max) == (2 - 2**-7) * 2.0**127
    assert dtypes.float64.limits == (0, 1) and dtypes.bool_.limits == (False, True)
    for dtype in (dtypes.string, dtypes.complex64, dtypes.qint8, dtypes.resource):
        for which in ("min", "max", "limits"):
            with pytest.raises(TypeError, match=rf"DType.{which}: .*got tf.{dtype.name}$"):
                getattr(dtype, which)
    with pytest.raises(TypeError):
        _ = dtypes.bool_.min


def test_types_are_immutable():
    with pytest.raises(AttributeError, match="immutable"):
        dtypes.float32.name = "other"
    assert dtypes.bool is dtypes.bool_
