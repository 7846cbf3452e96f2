"""Names of devices: what is read, what is refused, and how parts of names are merged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import millrace as tf
from millrace.graph.device import DeviceSpec, canonical, merge_function

FULL = "/job:w/replica:1/task:2/device:GPU:3"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("/", ""),
        (FULL, FULL),
        ("/JOB:w/Task:2/GPU:3", "/job:w/task:2/device:GPU:3"),
        ("/gpu", "/device:GPU:*"),
        ("/gpu:*", "/device:GPU:*"),
        ("/device:gpu", "/device:GPU:*"),
        ("/device:cpu:0", "/device:CPU:0"),
        ("/device:CPU:*", "/device:CPU:*"),
        ("/device:mine:1", "/device:MINE:1"),
        ("/tpu:12", "/device:TPU:12"),
        ("/task:0", "/task:0"),
        ("/replica:0", "/replica:0"),
        ("/job:w//task:1", "/job:w/task:1"),
    ],
)
def test_what_is_read(text: str, wanted: str) -> None:
    assert DeviceSpec.from_string(text).to_string() == wanted == canonical(text)
    spec = DeviceSpec(job="old", task=7)
    assert spec.parse_from_string(text) is spec and spec.to_string() == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/task:a", "Unknown attribute 'task'"),
        ("/task", "Unknown attribute 'task'"),
        ("/task:1:2", "Unknown attribute 'task'"),
        ("/replica:-1", "Unknown attribute 'replica'"),
        ("/job:", "Unknown attribute 'job'"),
        ("/job:a:1", "Unknown attribute 'job'"),
        ("/device", "Unknown attribute 'device'"),
        ("/device:GPU:0:1", "Unknown attribute 'device'"),
        ("/gpu:0:1", "Unknown attribute 'gpu'"),
        ("/gpu:x", "a device index is a number"),
        ("/device:GPU:x", "a device index is a number"),
        ("/gpu:0/cpu:0", "A device has one type"),
        ("/device:GPU:0/gpu:0", "A device has one type"),
        ("/disk:0", "Unknown attribute 'disk'"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.* Received: '{text}'"):
        DeviceSpec.from_string(text)


def test_types_that_are_known_are_spelled_in_capitals() -> None:
    assert DeviceSpec(device_type="gpu").device_type == "GPU"
    assert DeviceSpec(device_type="Mine").device_type == "Mine"
    assert DeviceSpec(device_type="CPU", device_index=0) == DeviceSpec.from_string("/cpu:0")
    assert hash(DeviceSpec(task=1)) == hash(DeviceSpec(task=1)) and DeviceSpec(task=1) != DeviceSpec(task=0)


def test_parts_that_are_named_win() -> None:
    outer, inner = DeviceSpec.from_string("/job:a/task:0/gpu:0"), DeviceSpec.from_string("/task:5/cpu:1")
    assert outer.make_merged_spec(inner).to_string() == "/job:a/task:5/device:CPU:1"
    assert inner.make_merged_spec(outer).to_string() == "/job:a/task:0/device:GPU:0"
    assert outer.to_string() == "/job:a/task:0/device:GPU:0"
    outer.merge_from(inner)
    assert outer.to_string() == "/job:a/task:5/device:CPU:1"
    outer.merge_from(DeviceSpec())
    assert outer.to_string() == "/job:a/task:5/device:CPU:1"


@pytest.mark.parametrize("spec", ["/job:a/gpu:0", DeviceSpec(job="a", device_type="GPU", device_index=0)])
def test_a_scope_fills_in_what_inner_ones_left_open(spec: Any) -> None:
    merge = merge_function(spec)
    for placed, wanted in (
        ("", "/job:a/device:GPU:0"),
        ("/job:b", "/job:b/device:GPU:0"),
        ("/task:1/cpu:0", "/job:a/task:1/device:CPU:0"),
    ):
        assert merge(SimpleNamespace(device=placed)) == wanted


def test_forms_of_a_device() -> None:
    assert canonical(None) == canonical("") == "" and canonical(DeviceSpec(task=3)) == "/task:3"
    assert tf.get_default_graph().device_name("/cpu:0") == "/device:CPU:0"
    with pytest.raises(ValueError, match="Received: '/disk:0'"):
        merge_function("/disk:0")
