"""Modules of messages that an old protocol compiler wrote."""

import importlib.util

import pytest
from google.protobuf import descriptor_pb2

from millrace.hook import old_messages


def described(name, package):
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    message = file.message_type.add(name="Point")
    message.field.add(name="x", number=1, type=1, label=1, json_name="x")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="PLAIN", number=0)
    return file.SerializeToString()


@pytest.mark.parametrize("two", [False, True])
def test_an_old_module_of_messages(tmp_path, two):
    data = described(f"old{two}.proto", f"old{two}")
    text = f"_b({data.decode('latin-1')!r})" if two else repr(data)
    path = tmp_path / "old_pb2.py"
    path.write_text(
        "from google.protobuf import descriptor as _descriptor\n"
        "from google.protobuf import timestamp_pb2 as times\n"
        "_b = lambda x: x.encode('latin1')\n"
        f"DESCRIPTOR = _descriptor.FileDescriptor(name='old.proto', package='old', serialized_pb={text})\n"
        "_POINT = _descriptor.Descriptor(name='Point', fields=[])\n"
    )
    spec = old_messages.specified(importlib.util.spec_from_file_location("old_pb2", path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    point = module.Point(x=2.5)
    assert module.Point.FromString(point.SerializeToString()) == point and module.PLAIN == 0
    assert module.times.Timestamp is not None and point.DESCRIPTOR.file is module.DESCRIPTOR


def test_others_are_left_alone(tmp_path):
    path = tmp_path / "new_pb2.py"
    path.write_text("value = 1\n")
    spec = importlib.util.spec_from_file_location("new_pb2", path)
    assert old_messages.specified(spec).loader is spec.loader and old_messages.specified(None) is None
