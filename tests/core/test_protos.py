"""Our messages against TensorFlow 1.15's: golden/protos.json holds what it recorded there."""

import copy
import hashlib
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from millrace.core import protos
from millrace.core.protos.library import MESSAGES, MessageLibrary
from millrace.core.protos.reader import SchemaError, read_file
from millrace.core.protos.schema import SCHEMAS

# What later releases added and files of theirs hold.
LATER = (
    *("SavedObject.saveable_objects", "SavedObject.SaveableObjectsEntry", "SaveableObject."),
    *("TensorProto.float8_val", "DataType DT_FLOAT8", "DataType DT_INT4", "DataType DT_UINT4"),
)
GOLDEN = json.loads((Path(__file__).parent / "golden" / "protos.json").read_text())


def outline(file: FileDescriptor) -> str:
    """A digest of what matters about a file's messages on the wire or to a program, later additions aside."""
    lines = []

    def add_enum(enum: EnumDescriptor) -> None:
        lines.extend(f"{enum.full_name} {value.name} {value.number}" for value in enum.values)

    def add_message(message: Descriptor) -> None:
        is_map_entry = int(message.GetOptions().map_entry)
        for field in message.fields:
            target = field.message_type or field.enum_type
            oneof = field.containing_oneof
            facts = (
                *(field.full_name, field.number, field.type, int(field.default_value == [])),
                *(target.full_name if target else "-", oneof.name if oneof else "-"),
                *(is_map_entry, int(field.GetOptions().deprecated)),
            )
            lines.append(" ".join(map(str, facts)))
        for enum in message.enum_types:
            add_enum(enum)
        for nested in message.nested_types:
            add_message(nested)

    for message in file.message_types_by_name.values():
        add_message(message)
    for enum in file.enum_types_by_name.values():
        add_enum(enum)
    lines = [line for line in lines if not line.startswith(tuple(f"tensorflow.{name}" for name in LATER))]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def run_fresh(program: str) -> str:
    """Runs `program` in a new interpreter and returns what it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_is_recorded():
    assert set(MESSAGES.files.values()) == set(GOLDEN["outlines"])


@pytest.mark.parametrize(("file", "path"), MESSAGES.files.items(), ids=MESSAGES.files)
def test_outline_equals_tensorflows(file, path):
    descriptor = MESSAGES.exports(file)["DESCRIPTOR"]
    assert descriptor.name == path
    assert outline(descriptor) == GOLDEN["outlines"][path]


@pytest.mark.parametrize("golden", GOLDEN["messages"], ids=lambda golden: golden["type"])
def test_bytes_and_text_equal_tensorflows(golden):
    kind, wire, text = (
        getattr(protos, golden["type"]),
        bytes.fromhex(golden["hex"]),
        "\n".join(golden["text"]),
    )
    from_wire, from_text = kind.FromString(wire), text_format.Parse(text, kind())
    assert from_wire == from_text
    assert from_wire.SerializeToString(deterministic=True) == wire
    assert text_format.MessageToString(from_wire) == text


def test_built_in_python_as_in_tensorflow():
    node = protos.NodeDef(name="y", op="AddV2", input=["x", "^c"])
    node.attr["T"].type = protos.DT_FLOAT
    node.attr["_class"].list.s.append(b"loc:@v")
    assert text_format.MessageToString(node) == (
        'name: "y"\nop: "AddV2"\ninput: "x"\ninput: "^c"\n'
        'attr {\n  key: "T"\n  value {\n    type: DT_FLOAT\n  }\n}\n'
        'attr {\n  key: "_class"\n  value {\n    list {\n      s: "loc:@v"\n    }\n  }\n}\n'
    )
    assert protos.GraphDef(node=[node]).node[0].attr["T"].WhichOneof("value") == "type"


def test_repeated_numbers_are_packed():
    assert protos.TensorProto(float_val=[1, 2]).SerializeToString().hex() == "2a080000803f00000040"
    assert protos.VersionDef(bad_consumers=[1, 300]).SerializeToString().hex() == "1a0301ac02"


def test_setting_one_of_a_oneof_clears_the_other():
    value = protos.AttrValue(i=0)
    assert value.WhichOneof("value") == "i"  # a zero in a oneof is present
    value.s = b"x"
    assert (value.WhichOneof("value"), value.i) == ("s", 0)


def test_enums_are_open():
    assert protos.TensorProto.FromString(b"\x08\xe7\x07").dtype == 999


def test_unknown_fields_survive():
    newer = b"\x0a\x01n\xa0\x06\x07"  # name "n", and a field 100 that 1.15 does not have
    assert protos.NodeDef.FromString(newer).SerializeToString() == newer


def test_nested_types_are_reached_through_their_owner():
    assert protos.ConfigProto.Experimental(collective_group_leader="a").collective_group_leader == "a"
    assert protos.GPUOptions.Experimental.VirtualDevices(memory_limit_mb=[1.0]).memory_limit_mb == [1.0]
    assert protos.AttrValue.ListValue(i=[1]).i == [1]
    assert protos.MetaGraphDef.MetaInfoDef(tags=["serve"]).tags == ["serve"]
    assert protos.OptimizerOptions.ON_1 == protos.OptimizerOptions.GlobalJitLevel.Value("ON_1") == 1
    assert protos.RunOptions.FULL_TRACE == 3
    assert protos.SaverDef.V2 == 2


def test_enums_at_the_top():
    assert protos.DT_FLOAT == protos.DataType.Value("DT_FLOAT") == 1
    assert protos.DataType.Name(101) == "DT_FLOAT_REF"
    assert protos.VARIABLE_AGGREGATION_MEAN == 2


def test_a_file_exports_what_its_generated_module_would():
    exports = MESSAGES.exports("types")
    assert exports["DT_INT32"] == 3
    assert exports["DESCRIPTOR"].name == "tensorflow/core/framework/types.proto"
    assert MESSAGES.exports("graph")["GraphDef"] is protos.GraphDef


def test_dir_lists_every_name_and_each_can_be_had():
    for name in dir(protos):
        assert getattr(protos, name) is not None
    assert {"GraphDef", "ConfigProto", "DataType", "DT_FLOAT", "CheckpointState"} <= set(dir(protos))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no message or enum 'NoSuchDef'"):
        protos.NoSuchDef
    with pytest.raises(KeyError):
        MESSAGES.exports("no_such_file")


def test_messages_and_classes_pickle_and_copy():
    config = protos.ConfigProto(experimental=protos.ConfigProto.Experimental(executor_type="x"))
    for message in (config, config.experimental):
        assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == message
    assert pickle.loads(pickle.dumps(protos.GPUOptions.Experimental)) is protos.GPUOptions.Experimental


def test_any_holds_any_message():
    meta = protos.MetaGraphDef.MetaInfoDef()
    meta.any_info.Pack(protos.VersionDef(producer=27))
    version = protos.VersionDef()
    assert meta.any_info.Unpack(version)
    assert version.producer == 27


def test_import_builds_nothing_and_first_use_only_what_is_needed():
    printed = run_fresh(
        "import sys\n"
        "from millrace.core import protos\n"
        "assert not [name for name in sys.modules if name.startswith('google.protobuf')]\n"
        "protos.NodeDef\n"
        "from millrace.core.protos.library import MESSAGES\n"
        "for file, path in MESSAGES.files.items():\n"
        "    try:\n"
        "        MESSAGES._pool.FindFileByName(path)\n"
        "    except KeyError:\n"
        "        continue\n"
        "    print(file)\n"
    )
    expected = ["types", "tensor_shape", "resource_handle", "tensor", "attr_value", "node_def"]
    assert printed.split() == expected


def test_other_descriptors_of_the_same_names_do_not_clash():
    """Real TensorFlow, or another version of it, may live in protobuf's default pool."""
    run_fresh(
        "from google.protobuf import descriptor_pb2, descriptor_pool, message_factory\n"
        "pool = descriptor_pool.Default()\n"
        "other = descriptor_pb2.FileDescriptorProto(\n"
        "    name='tensorflow/core/framework/node_def.proto', package='tensorflow', syntax='proto3')\n"
        "other.message_type.add(name='NodeDef').field.add(name='elsewhere', number=1, type=5, label=1)\n"
        "pool.AddSerializedFile(other.SerializeToString())\n"
        "theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName('tensorflow.NodeDef'))\n"
        "from millrace.core import protos\n"
        "assert protos.NodeDef(name='a').name == 'a'\n"
        "assert theirs(elsewhere=3).elsewhere == 3\n"
    )


def test_threads_get_the_same_classes():
    library = MessageLibrary(SCHEMAS)
    found = []
    start = threading.Barrier(8)

    def find():
        start.wait()
        found.append(library.find("MetaGraphDef"))

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("line", ["  name string = 1", "    name: string = 1", "enum", "  name: string = x"])
def test_a_line_out_of_notation_is_refused(line):
    with pytest.raises(SchemaError, match="Received: "):
        read_file(f"file a/b.proto\nmessage A\n{line}\n", {})
