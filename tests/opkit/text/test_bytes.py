"""What the recorded tables do not reach: rounding, large lists, wrong wire formats, tables of patterns."""

import struct

import numpy as np
import pytest

from millrace.core import dtypes
from millrace.core.errors import FailedPreconditionError, InvalidArgumentError
from millrace.opkit.records import wire as bytes_wire
from millrace.opkit.state.tables import DenseTable, StaticTable, Table
from millrace.opkit.text import numbers as bytes_numbers
from millrace.opkit.text import split as bytes_split
from millrace.opkit.text import unicode as bytes_unicode
from millrace.opkit.text.pieces import objects
from millrace.opkit.text.unicode_tables import complement, property_ranges


def varint(value):
    value &= 2**64 - 1
    out = b""
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def int_feature(values):
    return field(3, field(1, b"".join(map(varint, values))))


class TestNumbers:
    def test_float32_rounds_once(self):
        # halfway between two floats plus a little: rounding through float64 would lose the little
        text = b"1.00000005960464477540"
        assert bytes_numbers.string_to_number(objects([text]), np.float32)[0] == np.nextafter(
            np.float32(1), 2
        )
        tie = b"1.000000059604644775390625"
        assert bytes_numbers.string_to_number(objects([tie]), np.float32)[0] == np.float32(1)

    def test_small_numbers_stay(self):
        found = bytes_numbers.string_to_number(objects([b"1.4e-45", b"-1e-46"]), np.float32)
        np.testing.assert_array_equal(found, np.array([1.4e-45, -0.0], np.float32))

    def test_negative_nan_is_written_as_c_does(self):
        assert bytes_numbers.as_string(np.array([-np.nan, np.nan])).tolist() == [b"-nan", b"nan"]


class TestWire:
    VALUES = [0, 1, -1, 127, 128, 300, 2**31, -(2**31), 2**62, -(2**63), 2**63 - 1]

    @pytest.mark.parametrize("repeat", [1, 50])
    def test_packed_integers(self, repeat):
        data = field(1, field(1, field(1, b"k") + field(2, int_feature(self.VALUES * repeat))))
        feature = bytes_wire.find(data, bytes_wire.read_example(data), b"k")
        np.testing.assert_array_equal(bytes_wire.values(data, feature), self.VALUES * repeat)

    def test_unpacked_lists(self):
        numbers = b"".join(varint(8) + varint(v) for v in (5, -6))
        floats = b"".join(b"\x0d" + struct.pack("<f", v) for v in (0.5, 1.5))
        data = field(1, field(1, field(1, b"i") + field(2, field(3, numbers)))
                     + field(1, field(1, b"f") + field(2, field(2, floats))))  # fmt: skip
        table = bytes_wire.read_example(data)
        assert bytes_wire.values(data, bytes_wire.find(data, table, b"i")).tolist() == [5, -6]
        assert bytes_wire.values(data, bytes_wire.find(data, table, b"f")).tolist() == [0.5, 1.5]

    def test_unknown_fields_are_skipped(self):
        data = (
            varint(9 << 3) + varint(3) + field(1, field(7, b"x") + field(1, field(1, b"k") + field(2, b"")))
        )
        table = bytes_wire.read_example(data)
        assert list(table) == [b"k"]
        assert bytes_wire.find(data, table, b"k") is None

    @pytest.mark.parametrize(
        "data", [b"\x0a", b"\x0a\x05ab", b"\x0b", b"\x00", b"\x0a\x02\x0a\x05", b"\xff" * 20]
    )
    def test_malformed(self, data):
        with pytest.raises(bytes_wire.MalformedRecord):
            bytes_wire.read_example(data)

    def test_every_cut_is_noticed_or_harmless(self):
        data = field(1, field(1, field(1, b"key") + field(2, int_feature([300] * 40))))
        for end in range(len(data)):
            try:
                table = bytes_wire.read_example(data[:end])
                for key in table:
                    bytes_wire.values(data[:end], bytes_wire.find(data[:end], table, key))
            except bytes_wire.MalformedRecord:
                continue
            assert end == 0


class TestText:
    def test_scripts_and_categories_hold_no_surrogates(self):
        everything = property_ranges("Any")
        assert complement(()) == everything
        assert complement(everything) == ()
        assert complement(complement(property_ranges("Lu"))) == property_ranges("Lu")
        assert property_ranges("Nonsense") is None

    def test_offsets_in_a_multibyte_encoding(self):
        text = "aあb漢"
        malformed = bytes_unicode.Malformed()
        _, points, offsets = bytes_unicode.decode(
            objects([text.encode("shift_jis")]), "Shift_JIS", malformed, np.int64
        )
        assert points.tolist() == list(map(ord, text))
        assert offsets.tolist() == [0, 1, 3, 4]

    def test_replacement_outside_unicode(self):
        with pytest.raises(InvalidArgumentError):
            bytes_unicode.Malformed(replacement=0x110000)

    def test_ngrams_of_a_row_without_tokens_are_of_its_pads_alone(self):
        tokens, splits = objects([b"a", b"b"]), np.array([0, 2, 2])
        grams, ends = bytes_split.ngrams(tokens, splits, b"|", [2], b"L", b"R", -1, False)
        assert grams.tolist() == [b"L|a", b"a|b", b"b|R", b"L|R"]
        assert ends.tolist() == [0, 3, 4]


class TestTables:
    def test_values_of_a_shape(self):
        table = Table(dtypes.string, dtypes.float32, (2,))
        values = np.array([[1, 2], [3, 4]], np.float32)
        table.insert(objects([b"a", b"b"]), values)
        values[:] = 0  # the table keeps its own copies
        found = table.find(objects([b"b", b"c"]), np.array([-1, -2], np.float32))
        np.testing.assert_array_equal(found, [[3, 4], [-1, -2]])
        table.remove(objects([b"b", b"nobody"]))
        assert table.size() == 1
        keys, kept = table.export()
        assert keys.tolist() == [b"a"]
        np.testing.assert_array_equal(kept, [[1, 2]])

    def test_a_static_table_is_filled_once(self):
        table = StaticTable(dtypes.int64, dtypes.int64)
        with pytest.raises(FailedPreconditionError, match="not initialized"):
            table.size()
        keys = np.array([1, 2])
        table.fill(keys, keys)
        table.fill(keys, keys)
        with pytest.raises(FailedPreconditionError, match="different data"):
            table.fill(keys, keys + 1)
        with pytest.raises(FailedPreconditionError, match="different value for same key"):
            StaticTable(dtypes.int64, dtypes.int64).fill(np.array([1, 1]), keys)

    def test_vector_keys(self):
        table = DenseTable(dtypes.int64, dtypes.string)
        table.reserve(np.array([0, 0]), np.array([-1, -1]))
        table.insert(np.array([[1, 2], [3, 4]]), objects([b"x", b"y"]))
        assert table.find(np.array([[[3, 4]], [[5, 6]]]), np.array(b"-", object)).tolist() == [[b"y"], [b"-"]]
        with pytest.raises(InvalidArgumentError, match="empty_key"):
            table.insert(np.array([[0, 0]]), objects([b"z"]))
        assert table.export()[0].tolist() == [[1, 2], [3, 4]]

    @pytest.mark.parametrize("keys, values", [([1.0], [1]), ([1, 2], [1])])
    def test_wrong_dtype_or_shape(self, keys, values):
        with pytest.raises(InvalidArgumentError):
            Table(dtypes.int64, dtypes.int64).insert(np.array(keys), np.array(values))
