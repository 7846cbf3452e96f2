"""TensorProto encodings; the byte strings in hexadecimal were recorded from TensorFlow 1.15."""

import ml_dtypes
import numpy as np
import pytest

from millrace.core import dtypes, protos
from millrace.core.dtypes import as_dtype
from millrace.core.tensor_proto import decode, encode

SIGNED, UNSIGNED, REAL = [1, -2, 100], [1, 2, 200], [1.5, -2.0, 0.0]
COMPLEX = [1 + 2j, -0.5j, 3.0]
MINUS_TWO = "feffffffffffffffff01"
# dtype, values, wire form of values[1] as a scalar and of all three as a vector.
ROWS = [
    ("float32", REAL, "08011200" "2a04000000c0", "080112041202080322" "0c0000c03f000000c000000000"),
    ("float64", REAL, "08021200" "320800000000000000c0",
     "080212041202080322" "18000000000000f83f00000000000000c00000000000000000"),
    ("float16", REAL, "08131200" "6a03808003", "08131204120208036a" "06807c80800300"),
    ("bfloat16", REAL, "080e1200" "6a03808003", "080e1204120208036a" "06c07f80800300"),
    ("int8", SIGNED, "08061200" "3a0a" + MINUS_TWO, "080612041202080322" "0301fe64"),
    ("int16", SIGNED, "08051200" "3a0a" + MINUS_TWO, "080512041202080322" "060100feff6400"),
    ("int32", SIGNED, "08031200" "3a0a" + MINUS_TWO, "080312041202080322" "0c01000000feffffff64000000"),
    ("int64", SIGNED, "08091200" "520a" + MINUS_TWO,
     "080912041202080322" "180100000000000000feffffffffffffff6400000000000000"),
    ("uint8", UNSIGNED, "08041200" "3a0102", "080412041202080322" "030102c8"),
    ("uint16", UNSIGNED, "08111200" "3a0102", "08111204120208033a" "040102c801"),
    ("uint32", UNSIGNED, "08161200" "82010102", "081612041202080322" "0c0100000002000000c8000000"),
    ("uint64", UNSIGNED, "08171200" "8a010102",
     "081712041202080322" "1801000000000000000200000000000000c800000000000000"),
    ("bool", [True, False, True], "080a1200" "5a0100", "080a1204120208035a" "03010001"),
    ("complex64", COMPLEX, "08081200" "4a0800000080000000bf",
     "08081204120208034a" "180000803f0000004000000080000000bf0000404000000000"),
    ("complex128", COMPLEX, "08121200" "62100000000000000080000000000000e0bf",
     "081212041202080362" "30000000000000f03f00000000000000400000000000000080000000000000e0bf"
     "00000000000008400000000000000000"),
    ("string", [b"\xff", b"", b"a"], "08071200" "4200", "080712041202080342" "01ff4200420161"),
]  # fmt: skip
QUANTIZED_ROWS = [
    ("qint8", SIGNED, "080b1200" "3a0101", "080b12041202080322" "0301fe64"),
    ("quint8", UNSIGNED, "080c1200" "3a0101", "080c12041202080322" "030102c8"),
    ("qint32", SIGNED, "080d1200" "3a0101", "080d12041202080322" "0c01000000feffffff64000000"),
    ("qint16", SIGNED, None, "080f12041202080322" "060100feff6400"),
    ("quint16", UNSIGNED, None, "081012041202080322" "0601000200c800"),
]  # fmt: skip


def wire(proto) -> str:
    return proto.SerializeToString().hex()


def proto_of(dtype, shape, **fields):
    dims = [protos.TensorShapeProto.Dim(size=size) for size in shape]
    shape_proto = protos.TensorShapeProto(dim=dims)
    return protos.TensorProto(dtype=as_dtype(dtype).as_datatype_enum, tensor_shape=shape_proto, **fields)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tolist() == expected.tolist()


@pytest.mark.parametrize(("name", "values", "scalar", "vector"), ROWS, ids=[row[0] for row in ROWS])
def test_encodes_as_tensorflow_and_decodes_again(name, values, scalar, vector):
    dtype = as_dtype(name)
    for array, golden in (
        (np.array(values[1], dtype.np_dtype), scalar),
        (np.array(values, dtype.np_dtype), vector),
    ):
        proto = encode(array, dtype)
        assert wire(proto) == golden
        assert_same(decode(protos.TensorProto.FromString(bytes.fromhex(golden))), array)


@pytest.mark.parametrize(
    ("name", "values", "scalar", "vector"), QUANTIZED_ROWS, ids=[row[0] for row in QUANTIZED_ROWS]
)
def test_quantized_types_come_structured_or_plain(name, values, scalar, vector):
    dtype = as_dtype(name)
    structured = np.array([(value,) for value in values], dtype.np_dtype)
    assert wire(encode(structured, dtype)) == wire(encode(np.array(values), dtype)) == vector
    if scalar:
        assert wire(encode(structured[0], dtype)) == scalar
    assert_same(decode(encode(structured, dtype)), structured)
    assert_same(decode(encode(structured[:1], dtype)), structured[:1])


def test_one_element_of_any_rank_is_listed():
    assert wire(encode(np.array([-2.0], np.float32), dtypes.float32)) == "08011204120208012a04000000c0"


@pytest.mark.parametrize("name", [row[0] for row in ROWS + QUANTIZED_ROWS])
def test_no_elements_take_no_bytes(name):
    dtype = as_dtype(name)
    empty = np.empty((0, 2), dtype.np_dtype)
    proto = encode(empty, dtype)
    assert wire(proto) == f"08{dtype.as_datatype_enum:02x}1206120012020802"
    assert_same(decode(proto), empty)


def test_a_shape_of_its_own_repeats_the_last_element():
    one = encode(np.float32(1.5), dtypes.float32, shape=(2, 3))
    assert wire(one) == "0801120812020802120208032a040000c03f"
    assert_same(decode(one), np.full((2, 3), 1.5, np.float32))
    few = encode(np.array([1, -2, 100], np.int8), dtypes.int8, shape=(2, 3))
    assert wire(few) == "0806120812020802120208033a0c01" + MINUS_TWO + "64"
    assert decode(few).tolist() == [[1, -2, 100], [100, 100, 100]]
    text = encode(np.array("a", object), dtypes.string, shape=[2])
    assert wire(text) == "0807120412020802420161"
    assert decode(text).tolist() == [b"a", b"a"]


def test_encode_takes_any_layout_byte_order_and_reference_type():
    matrix = np.arange(6, dtype=">i4").reshape(2, 3).T
    assert_same(decode(encode(matrix, dtypes.int32.as_ref)), matrix.astype(np.int32))


def test_encode_strings_from_str_and_numpy_strings():
    for array in (np.array(["é", "b"]), np.array(["é", b"b"], object)):
        assert decode(encode(array, dtypes.string)).tolist() == ["é".encode(), b"b"]


@pytest.mark.parametrize(
    ("dtype", "shape", "fields", "expected"),
    [
        ("float32", [3], {"float_val": [1, 2, 3, 4, 5]}, [1, 2, 3]),
        ("float32", [3], {}, [0, 0, 0]),
        ("float32", [0], {"float_val": [1]}, []),
        ("float32", [2], {"tensor_content": b"\0\0\x80?" * 2, "float_val": [7]}, [1, 1]),
        ("int32", [2, 2], {"int_val": [7, 8]}, [[7, 8], [8, 8]]),
        ("int8", [2], {"int_val": [-2]}, [-2, -2]),
        ("uint8", [2], {"int_val": [200, 300]}, [200, 44]),
        ("uint16", [2], {"tensor_content": b"\1\0\2\0"}, [1, 2]),
        ("bool", [2], {"tensor_content": b"\1\0"}, [True, False]),
        ("half", [3], {"half_val": [0x3C00]}, [1, 1, 1]),
        ("half", [2], {"tensor_content": b"\0\x3c\0\xc0"}, [1, -2]),
        ("bfloat16", [2], {"half_val": [0x3F80, 0x4000]}, [1, 2]),
        ("bfloat16", [2], {"tensor_content": b"\x80\x3f\x00\x40"}, [1, 2]),
        ("complex64", [2], {"scomplex_val": [1, 2]}, [1 + 2j, 1 + 2j]),
        ("complex64", [2], {"scomplex_val": [1, 2, 3]}, [1 + 2j, 1 + 2j]),
        ("complex64", [2], {}, [0, 0]),
        ("string", [3], {"string_val": [b"a"]}, [b"a", b"a", b"a"]),
        ("string", [2], {}, [b"", b""]),
        ("string", [1], {"string_val": [b"a", b"b"]}, [b"a"]),
        ("string", [2], {"tensor_content": b"\x01\x02abc"}, [b"a", b"bc"]),
        ("string", [1], {"tensor_content": b"\x82\x01" + b"z" * 130}, [b"z" * 130]),
    ],
)
def test_decode_reads_what_tensorflow_reads(dtype, shape, fields, expected):
    array = decode(proto_of(dtype, shape, **fields))
    assert array.dtype == as_dtype(dtype).np_dtype
    assert array.shape == tuple(shape)
    assert array.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "shape", "content"),
    [
        ("float32", [3], b"\0" * 8),
        ("float32", [2], b"\0" * 12),
        ("string", [2], b"\x01\x02ab"),
        ("string", [1], b"\x01abc"),
        ("string", [2], b"\x81"),
    ],
)
def test_decode_refuses_content_that_does_not_fit(dtype, shape, content):
    with pytest.raises(ValueError, match=f"tensor_content .* received {len(content)}"):
        decode(proto_of(dtype, shape, tensor_content=content))


def test_decode_refuses_unknown_shapes():
    with pytest.raises(ValueError, match=r"fully known, received \[2, -1\]"):
        decode(proto_of("float32", [2, -1]))
    with pytest.raises(ValueError, match="received unknown rank"):
        decode(protos.TensorProto(dtype=1, tensor_shape=protos.TensorShapeProto(unknown_rank=True)))


def test_types_without_arrays_are_refused():
    with pytest.raises(TypeError, match=r"encode: .* received tf\.resource"):
        encode(np.array(None), dtypes.resource)
    with pytest.raises(TypeError, match=r"decode: .* received tf\.variant"):
        decode(proto_of("variant", []))
    with pytest.raises(TypeError, match=r"must be bytes or str, received 3 \(int\)"):
        encode(np.array([3], object), dtypes.string)


def test_more_elements_than_the_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \[2\] holds 2 elements, received 3"):
        encode(np.zeros(3, np.float32), dtypes.float32, shape=[2])


def test_two_gibibytes_are_refused():
    with pytest.raises(ValueError, match=f"below 2 GiB, received {2 << 30} bytes"):
        encode(np.broadcast_to(np.float64(1), (1 << 14, 1 << 14)), dtypes.float64)


def test_decoded_arrays_are_the_callers_to_change():
    proto = encode(np.zeros((2, 2), ml_dtypes.bfloat16), dtypes.bfloat16)
    decode(proto)[0, 0] = 1
    content = encode(np.zeros((2, 2), np.float64), dtypes.float64)
    decode(content)[0, 0] = 1
    assert decode(proto)[0, 0] == decode(content)[0, 0] == 0
