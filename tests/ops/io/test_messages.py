"""Messages taken apart and put together; bytes and fillings as TensorFlow 1.15.5 gives them."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import millrace as tf

FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {
    "i": (FIELD.TYPE_INT32, tf.int32),
    "r": (FIELD.TYPE_FLOAT, tf.float32),
    "s": (FIELD.TYPE_STRING, tf.string),
    "sub": (FIELD.TYPE_MESSAGE, tf.string),
    "u": (FIELD.TYPE_UINT64, tf.uint64),
    "b": (FIELD.TYPE_BOOL, tf.bool),
    "sf": (FIELD.TYPE_SFIXED64, tf.int64),
    "d": (FIELD.TYPE_DOUBLE, tf.float64),
    "by": (FIELD.TYPE_BYTES, tf.string),
}
NAMES, TYPES = list(KINDS), [dtype for _, dtype in KINDS.values()]


def described():
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="pk", syntax="proto2")
    message = file.message_type.add(name="M")
    for number, (name, (kind, _)) in enumerate(KINDS.items(), 1):
        label = FIELD.LABEL_REPEATED if name in ("r", "sf", "by") else FIELD.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, type=kind, label=label)
        if name == "sub":
            field.type_name = ".pk.M"
        if name == "i":
            field.default_value = "7"
    return file


FILE = described()
SET = descriptor_pb2.FileDescriptorSet(file=[FILE]).SerializeToString()
SOURCE = b"bytes://" + SET
POOL = descriptor_pool.DescriptorPool()
POOL.Add(FILE)
M = message_factory.GetMessageClass(POOL.FindMessageTypeByName("pk.M"))
FIRST = M(i=3, r=[1, 2.5], s="hi", u=2**63, b=True, sf=[-5], d=0.5, by=[b"x", b"\xff"])
SECOND = M(sub=M(i=9), r=[4])


def run(fetches):
    with tf.Session() as sess:
        return sess.run(fetches)


def decode(messages, **options):
    given = {"field_names": NAMES, "output_types": TYPES, "descriptor_source": SOURCE, **options}
    found = tf.io.decode_proto(messages, given.pop("message_type", "pk.M"), **given)
    sizes, *values = run([found.sizes, *found.values])
    return sizes, values


def test_there_and_back():
    messages = [FIRST.SerializeToString(), SECOND.SerializeToString()]
    sizes, values = decode(messages)
    assert sizes.tolist() == [[1, 2, 1, 0, 1, 1, 1, 1, 2], [0, 1, 0, 1, 0, 0, 0, 0, 0]]
    assert [v.tolist() for v in values[:4]] == [
        [[3], [7]],
        [[1, 2.5], [4, 0]],
        [[b"hi"], [b""]],
        [[b""], [b"\x08\t"]],
    ]
    assert values[4].tolist() == [[2**63], [0]]
    assert values[8].tolist() == [[b"x", b"\xff"], [b"", b""]]
    again = run(tf.io.encode_proto(sizes, values, NAMES, "pk.M", SOURCE))
    assert again.tolist() == messages


def test_text_and_shapes(tmp_path):
    sizes, values = decode([[str(FIRST)]], message_format="text")
    assert (sizes.shape, values[1].tolist()) == ((1, 1, 9), [[[1, 2.5]]])
    (tmp_path / "set").write_bytes(SET)
    _, values = decode([str(FIRST)], message_format="text", descriptor_source=str(tmp_path / "set"))
    assert values[0].tolist() == [[3]]


def test_messages_that_are_linked():
    example = tf.train.Example().SerializeToString()
    options = {"field_names": ["features"], "output_types": [tf.string], "descriptor_source": "local://"}
    sizes, values = decode([example], message_type="tensorflow.Example", **options)
    assert (sizes.tolist(), values[0].tolist()) == ([[0]], [[b""]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"field_names": ["zz"], "output_types": [tf.int32]}, "Unknown field: zz in message type pk.M"),
        ({"field_names": ["i"], "output_types": [tf.float32]}, "Unexpected output type for pk.M.i"),
        ({"field_names": ["u"], "output_types": [tf.int64]}, "Unexpected output type for pk.M.u"),
        ({"message_type": "pk.Q"}, "No descriptor found for message type pk.Q"),
        ({"descriptor_source": b"bytes://\xff\xff"}, "Unable to parse the descriptor source"),
    ],
)
def test_decoding_refuses(options, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode([FIRST.SerializeToString()], **options)


def test_what_is_malformed_or_missing():
    with pytest.raises(tf.errors.DataLossError, match="pk.M"):
        decode([b"\xff\xff"])
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        decode([b""], descriptor_source="/nowhere")
    with pytest.raises(ValueError, match="message_format"):
        decode([b""], message_format="json")


@pytest.mark.parametrize(
    ("sizes", "values", "names", "message"),
    [
        ([[2]], [np.int32([[1, 2]])], ["i"], "Size 2 does not fit field i"),
        ([[3]], [np.float32([[1, 2]])], ["r"], "Size 3 does not fit field r"),
        ([[1]], [np.int32([[1], [2]])], ["i"], "up to the last dimension"),
        ([[1]], [np.array([[b"\xff\xff"]], object)], ["sub"], "Cannot write sub"),
        ([[1]], [np.array([[b"\xff\xff"]], object)], ["s"], "Cannot write s"),
    ],
)
def test_encoding_refuses(sizes, values, names, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(tf.io.encode_proto(sizes, values, names, "pk.M", SOURCE))
