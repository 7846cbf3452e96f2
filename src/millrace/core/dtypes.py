"""Element types: the names and numbers TensorFlow gives them, and their NumPy equivalents.

A `DType` is interned: there is one object per type, so `a is b` is the fast test that internal code uses.
`a == b` also accepts whatever `as_dtype` accepts, because user code compares dtypes with strings and NumPy
types. Every type has a reference twin (`float32_ref`, number + 100), the type of a mutable variable's handle.
"""

from __future__ import annotations

import builtins
from typing import Any, Final, final

import ml_dtypes
import numpy as np

from millrace.core.public import public

_REF_OFFSET: Final = 100


@public("DType", "dtypes.DType")
@final
class DType:
    """One element type: a constant of this module, found with `as_dtype` or, by number, `DType(1)`.

    Attributes:
      name: TensorFlow's name, for example `"float32"` or `"float32_ref"`.
      as_datatype_enum: the number that GraphDefs carry; a reference type has its base type's number plus 100.
      as_numpy_dtype: the matching NumPy scalar type (`bool` for bool, `object` for string, resource and
        variant, a structured `np.dtype` for quantized types).
      np_dtype: the same as an `np.dtype` instance, made once.
      base_dtype: this type without the reference.
      real_dtype: the type of the real part: `float32` for `complex64`, else this type.
      is_ref_dtype: whether this is a reference type.
      is_numpy_compatible: whether values exist outside of the runtime (not so for resource, variant).
      is_bool: whether this is `bool`.
      is_integer: whether this is a signed or unsigned, not quantized, integer type.
      is_floating: whether this is a real floating type, `bfloat16` included.
      is_complex: whether this is a complex type.
      is_quantized: whether this is a quantized integer type.
      is_unsigned: whether this is an unsigned, not quantized, integer type.
      size: bytes per element; 8 for string (a pointer), 1 for resource and variant.
    """

    __slots__ = (
        "_ref",
        "as_datatype_enum",
        "as_numpy_dtype",
        "base_dtype",
        "is_bool",
        "is_complex",
        "is_floating",
        "is_integer",
        "is_numpy_compatible",
        "is_quantized",
        "is_ref_dtype",
        "is_unsigned",
        "name",
        "np_dtype",
        "real_dtype",
        "size",
    )

    name: str
    as_datatype_enum: int
    as_numpy_dtype: Any
    np_dtype: np.dtype[Any]
    base_dtype: DType
    real_dtype: DType
    is_ref_dtype: builtins.bool
    is_numpy_compatible: builtins.bool
    is_bool: builtins.bool
    is_integer: builtins.bool
    is_floating: builtins.bool
    is_complex: builtins.bool
    is_quantized: builtins.bool
    is_unsigned: builtins.bool
    size: int
    _ref: DType

    def __new__(cls, type_enum: int) -> DType:
        """Returns the type with number `type_enum`; TypeError when there is none."""
        try:
            return _BY_ENUM[type_enum]
        except (KeyError, TypeError):
            raise TypeError(
                f"DType: type_enum must be one of TensorFlow's DataType numbers, got {type_enum!r}"
            ) from None

    @property
    def _is_ref_dtype(self) -> builtins.bool:
        """TensorFlow's spelling of `is_ref_dtype`, which old programs use."""
        return self.is_ref_dtype

    @property
    def _as_ref(self) -> DType:
        """TensorFlow's spelling of `as_ref`, which old programs use."""
        return self._ref

    @property
    def as_ref(self) -> DType:
        """The reference twin; a reference type is its own."""
        return self._ref

    @property
    def min(self) -> Any:
        """The lowest finite value.

        Raises:
          TypeError: the type has no order: bool, string, complex, quantized, resource, variant.
        """
        return self._extreme("min")

    @property
    def max(self) -> Any:
        """The highest finite value.

        Raises:
          TypeError: the type has no order: bool, string, complex, quantized, resource, variant.
        """
        return self._extreme("max")

    def _extreme(self, which: str) -> Any:
        if self.is_floating:
            return getattr(ml_dtypes.finfo(self.np_dtype), which)
        if self.is_integer:
            return int(getattr(np.iinfo(self.np_dtype), which))
        raise TypeError(f"DType.{which}: only integer and floating types have one, got {self!r}")

    @property
    def limits(self) -> tuple[Any, Any]:
        """The non-negative range that an image of this type uses: (0, 1), (0, highest) or (False, True).

        Raises:
          TypeError: the type is not bool, integer or floating.
        """
        if self.is_floating:
            return 0, 1
        if self.is_bool:
            return False, True
        if self.is_integer:
            return 0, self.max
        raise TypeError(f"DType.limits: only bool, integer and floating types have limits, got {self!r}")

    def is_compatible_with(self, other: Any) -> builtins.bool:
        """Whether a tensor of type `other` may stand where this type is wanted.

        A reference may stand for its value, never the other way round.

        Args:
          other: anything that `as_dtype` takes.

        Returns:
          True when `other` is this type or a reference to it.

        Raises:
          TypeError: `other` names no type.
        """
        other = as_dtype(other)
        return self is other or self is other.base_dtype

    def __eq__(self, other: object) -> builtins.bool:
        if self is other:
            return True
        if other is None or type(other) is DType:
            return False
        try:
            return self is as_dtype(other)
        except TypeError:
            return False

    def __ne__(self, other: object) -> builtins.bool:
        return self is not other and not self.__eq__(other)

    def __hash__(self) -> int:
        return self.as_datatype_enum

    def __int__(self) -> int:
        return self.as_datatype_enum

    def __repr__(self) -> str:
        return "tf." + self.name

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> DType:
        return self

    def __setattr__(self, attribute: str, value: Any) -> None:
        raise AttributeError(f"DType {self.name}: types are immutable, got an assignment to {attribute!r}")


_BY_ENUM: Final[dict[int, DType]] = {}
# Everything hashable that names a type: names, numbers, NumPy types and dtypes, Python types.
_CONVERTIBLE: Final[dict[Any, DType]] = {}


def _define(enum: int, name: str, numpy_type: Any, kind: str, real: DType | None = None) -> DType:
    """Makes the type `name` and its reference twin, and enters both into the lookup tables."""
    base, ref = object.__new__(DType), object.__new__(DType)
    np_dtype = np.dtype(numpy_type)
    for dtype, is_ref in ((base, False), (ref, True)):
        fields = {
            "name": name + "_ref" if is_ref else name,
            "as_datatype_enum": enum + _REF_OFFSET if is_ref else enum,
            "as_numpy_dtype": numpy_type,
            "np_dtype": np_dtype,
            "base_dtype": base,
            "real_dtype": real or dtype,
            "is_ref_dtype": is_ref,
            "is_numpy_compatible": kind != "handle",
            "is_bool": kind == "bool",
            "is_integer": kind in ("int", "uint"),
            "is_floating": kind == "float",
            "is_complex": kind == "complex",
            "is_quantized": kind == "quantized",
            "is_unsigned": kind == "uint",
            "size": 1 if kind == "handle" else np_dtype.itemsize,
            "_ref": ref,
        }
        for field, value in fields.items():
            object.__setattr__(dtype, field, value)
        _BY_ENUM[dtype.as_datatype_enum] = dtype
        _CONVERTIBLE[dtype.as_datatype_enum] = dtype
        _CONVERTIBLE[dtype.name] = dtype
    if kind != "handle":
        _CONVERTIBLE[numpy_type] = base
        _CONVERTIBLE[np_dtype] = base
        if kind != "quantized":
            _CONVERTIBLE[np_dtype.type] = base
    return base


def _quantized(name: str, storage: type[np.generic]) -> np.dtype[Any]:
    """The one-field structured dtype that keeps a quantized integer apart from a plain one in NumPy."""
    return np.dtype([(name, storage)])


def plain_numbers(quantized: Any) -> Any:
    """The plain integers that quantized elements hold; what is not quantized as it is."""
    names = getattr(getattr(quantized, "dtype", None), "names", None)
    return quantized[names[0]] if names else quantized


float32 = _define(1, "float32", np.float32, "float")
float64 = _define(2, "float64", np.float64, "float")
int32 = _define(3, "int32", np.int32, "int")
uint8 = _define(4, "uint8", np.uint8, "uint")
int16 = _define(5, "int16", np.int16, "int")
int8 = _define(6, "int8", np.int8, "int")
string = _define(7, "string", object, "string")
complex64 = _define(8, "complex64", np.complex64, "complex", float32)
int64 = _define(9, "int64", np.int64, "int")
bool_ = _define(10, "bool", builtins.bool, "bool")
qint8 = _define(11, "qint8", _quantized("qint8", np.int8), "quantized")
quint8 = _define(12, "quint8", _quantized("quint8", np.uint8), "quantized")
qint32 = _define(13, "qint32", _quantized("qint32", np.int32), "quantized")
bfloat16 = _define(14, "bfloat16", ml_dtypes.bfloat16, "float")
qint16 = _define(15, "qint16", _quantized("qint16", np.int16), "quantized")
quint16 = _define(16, "quint16", _quantized("quint16", np.uint16), "quantized")
uint16 = _define(17, "uint16", np.uint16, "uint")
complex128 = _define(18, "complex128", np.complex128, "complex", float64)
float16 = _define(19, "float16", np.float16, "float")
resource = _define(20, "resource", object, "handle")
variant = _define(21, "variant", object, "handle")
uint32 = _define(22, "uint32", np.uint32, "uint")
uint64 = _define(23, "uint64", np.uint64, "uint")
float8_e5m2 = _define(24, "float8_e5m2", ml_dtypes.float8_e5m2, "float")
float8_e4m3fn = _define(25, "float8_e4m3fn", ml_dtypes.float8_e4m3fn, "float")
int4 = _define(29, "int4", ml_dtypes.int4, "int")
uint4 = _define(30, "uint4", ml_dtypes.uint4, "uint")
half = float16
double = float64

float32_ref = float32.as_ref
float64_ref = float64.as_ref
int32_ref = int32.as_ref
uint8_ref = uint8.as_ref
int16_ref = int16.as_ref
int8_ref = int8.as_ref
string_ref = string.as_ref
complex64_ref = complex64.as_ref
int64_ref = int64.as_ref
bool_ref = bool_.as_ref
qint8_ref = qint8.as_ref
quint8_ref = quint8.as_ref
qint32_ref = qint32.as_ref
bfloat16_ref = bfloat16.as_ref
qint16_ref = qint16.as_ref
quint16_ref = quint16.as_ref
uint16_ref = uint16.as_ref
complex128_ref = complex128.as_ref
float16_ref = float16.as_ref
resource_ref = resource.as_ref
variant_ref = variant.as_ref
uint32_ref = uint32.as_ref
uint64_ref = uint64.as_ref
half_ref = float16_ref
double_ref = float64_ref

_CONVERTIBLE.update(
    {
        "float": float32,
        "double": float64,
        "half": float16,
        "float_ref": float32_ref,
        "double_ref": float64_ref,
        "half_ref": float16_ref,
        # Python's float takes TensorFlow's default width, not NumPy's 64 bits.
        builtins.float: float32,
        np.str_: string,
        np.bytes_: string,
    }
)

# Type sets for op declarations; reference types are never members.
FLOATING: Final = frozenset({float16, bfloat16, float32, float64})
SIGNED: Final = frozenset({int8, int16, int32, int64})
UNSIGNED: Final = frozenset({uint8, uint16, uint32, uint64})
INTEGER: Final = SIGNED | UNSIGNED
REAL: Final = FLOATING | INTEGER
COMPLEX: Final = frozenset({complex64, complex128})
NUMERIC: Final = REAL | COMPLEX
INDEX: Final = frozenset({int32, int64})
STRING: Final = frozenset({string})
BOOL: Final = frozenset({bool_})
QUANTIZED: Final = frozenset({qint8, quint8, qint16, quint16, qint32})
HANDLE: Final = frozenset({resource, variant})
# Of later releases: files hold them; they are handed on and cast, nothing more.
NARROW: Final = frozenset({float8_e5m2, float8_e4m3fn, int4, uint4})
ALL: Final = NUMERIC | STRING | BOOL | QUANTIZED | HANDLE
# TensorFlow's public set of the same idea also holds the references.
QUANTIZED_DTYPES: Final = QUANTIZED | {dtype.as_ref for dtype in QUANTIZED}


@public("as_dtype", "dtypes.as_dtype")
def as_dtype(type_value: Any) -> DType:
    """Converts `type_value` to the `DType` it names.

    Args:
      type_value: a `DType`; a name (`"float32"`, `"half"`, `"int32_ref"`); a DataType number; a NumPy dtype
        or scalar type, of any byte order, strings of any length; or Python's `float` (float32), `bool` or
        `object`. Its other types name none, as in TensorFlow.

    Returns:
      The interned `DType`.

    Raises:
      TypeError: `type_value` names no type.
    """
    if type(type_value) is DType:
        return type_value
    try:
        found = _CONVERTIBLE.get(type_value)
    except TypeError:  # unhashable
        found = None
    if found is not None:
        return found
    if isinstance(type_value, np.dtype) or (
        isinstance(type_value, type) and issubclass(type_value, np.generic)
    ):
        # Platform aliases such as np.longlong are distinct types with a common dtype.
        np_dtype = np.dtype(type_value)
        found = string if np_dtype.kind in "SUT" else _CONVERTIBLE.get(np_dtype.newbyteorder("="))
        if found is not None:
            return found
    raise TypeError(
        "as_dtype: the value must name an element type such as tf.float32, 'float32' or np.float32; "
        f"cannot convert {type_value!r} (type {type(type_value).__name__}) to a DType"
    )


public("float16", "dtypes.float16")(float16)
public("bfloat16", "dtypes.bfloat16")(bfloat16)
public("float32_ref", "dtypes.float32_ref", "python.framework.dtypes.float32_ref")(float32_ref)
public("float64_ref", "dtypes.float64_ref", "python.framework.dtypes.float64_ref")(float64_ref)
public("int32_ref", "dtypes.int32_ref", "python.framework.dtypes.int32_ref")(int32_ref)
public("uint8_ref", "dtypes.uint8_ref", "python.framework.dtypes.uint8_ref")(uint8_ref)
public("int16_ref", "dtypes.int16_ref", "python.framework.dtypes.int16_ref")(int16_ref)
public("int8_ref", "dtypes.int8_ref", "python.framework.dtypes.int8_ref")(int8_ref)
public("string_ref", "dtypes.string_ref", "python.framework.dtypes.string_ref")(string_ref)
public("complex64_ref", "dtypes.complex64_ref", "python.framework.dtypes.complex64_ref")(complex64_ref)
public("int64_ref", "dtypes.int64_ref", "python.framework.dtypes.int64_ref")(int64_ref)
public("bool_ref", "dtypes.bool_ref", "python.framework.dtypes.bool_ref")(bool_ref)
public("qint8_ref", "dtypes.qint8_ref", "python.framework.dtypes.qint8_ref")(qint8_ref)
public("quint8_ref", "dtypes.quint8_ref", "python.framework.dtypes.quint8_ref")(quint8_ref)
public("qint32_ref", "dtypes.qint32_ref", "python.framework.dtypes.qint32_ref")(qint32_ref)
public("bfloat16_ref", "dtypes.bfloat16_ref", "python.framework.dtypes.bfloat16_ref")(bfloat16_ref)
public("qint16_ref", "dtypes.qint16_ref", "python.framework.dtypes.qint16_ref")(qint16_ref)
public("quint16_ref", "dtypes.quint16_ref", "python.framework.dtypes.quint16_ref")(quint16_ref)
public("uint16_ref", "dtypes.uint16_ref", "python.framework.dtypes.uint16_ref")(uint16_ref)
public("complex128_ref", "dtypes.complex128_ref", "python.framework.dtypes.complex128_ref")(complex128_ref)
public("float16_ref", "dtypes.float16_ref", "python.framework.dtypes.float16_ref")(float16_ref)
public("resource_ref", "dtypes.resource_ref", "python.framework.dtypes.resource_ref")(resource_ref)
public("variant_ref", "dtypes.variant_ref", "python.framework.dtypes.variant_ref")(variant_ref)
public("uint32_ref", "dtypes.uint32_ref", "python.framework.dtypes.uint32_ref")(uint32_ref)
public("uint64_ref", "dtypes.uint64_ref", "python.framework.dtypes.uint64_ref")(uint64_ref)
public("half_ref", "dtypes.half_ref", "python.framework.dtypes.half_ref")(half_ref)
public("double_ref", "dtypes.double_ref", "python.framework.dtypes.double_ref")(double_ref)
public("float32", "dtypes.float32")(float32)
public("float64", "dtypes.float64")(float64)
public("int8", "dtypes.int8")(int8)
public("int16", "dtypes.int16")(int16)
public("int32", "dtypes.int32")(int32)
public("int64", "dtypes.int64")(int64)
public("uint8", "dtypes.uint8")(uint8)
public("uint16", "dtypes.uint16")(uint16)
public("uint32", "dtypes.uint32")(uint32)
public("uint64", "dtypes.uint64")(uint64)
public("complex64", "dtypes.complex64")(complex64)
public("complex128", "dtypes.complex128")(complex128)
public("bool", "dtypes.bool")(bool_)
public("string", "dtypes.string")(string)
public("qint8", "dtypes.qint8")(qint8)
public("qint16", "dtypes.qint16")(qint16)
public("qint32", "dtypes.qint32")(qint32)
public("quint8", "dtypes.quint8")(quint8)
public("quint16", "dtypes.quint16")(quint16)
public("resource", "dtypes.resource")(resource)
public("variant", "dtypes.variant")(variant)
public("half", "dtypes.half")(half)
public("double", "dtypes.double")(double)
public("QUANTIZED_DTYPES", "dtypes.QUANTIZED_DTYPES")(QUANTIZED_DTYPES)

bool = bool_  # TensorFlow's name; last, so that everything above still sees the builtin
