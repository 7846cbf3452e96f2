"""Forms that later releases write, as the operations that they stand for.

A pool or a depthwise convolution with paddings of its own pads first. Kernels that a release fused are their
parts again. A batch of calls is one call: the results are the same. What a dataset is given for later
releases' schedulers and random numbers is left out where it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from millrace.core import dtypes, protos
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.new_nodes import inputs_of, new_node, number_node, renamed, type_attr

# --- paddings ----------------------------------------------------------------------------------------------


def _explicit(node: Any) -> bool:
    return node.attr["padding"].s == b"EXPLICIT"


def _pads(node: Any) -> Any:
    pairs = np.reshape(list(node.attr["explicit_paddings"].list.i), (-1, 2))
    return number_node(f"{node.name}/paddings", pairs, node)


def _padded_input(node: Any, image: str, pads: Any, fill: Any = None) -> list[Any]:
    """The nodes that pad an image, with zeros or with `fill`; the last is the result."""
    kind = node.attr["T"]
    if fill is None:
        return [new_node(f"{node.name}/pad", "Pad", [image, pads.name], node, T=kind)]
    dtype = dtypes.as_dtype(kind.type)
    value = attr_to_proto(np.asarray(fill, dtype.np_dtype))
    least = new_node(f"{node.name}/fill", "Const", (), node, dtype=kind, value=value)
    return [least, new_node(f"{node.name}/pad", "PadV2", [image, pads.name, least.name], node, T=kind)]


def _valid(node: Any, inputs: list[str], name: str | None = None) -> Any:
    """The node over an image that is padded already."""
    made = renamed(node, node.op, inputs)
    made.attr["padding"].s = b"VALID"
    del made.attr["explicit_paddings"]
    made.name = name or node.name
    return made


def _cut(node: Any, wide: Any, pads: Any, sizes: list[Any]) -> list[Any]:
    """What is left of a gradient without the paddings; `sizes` end in the shape of the image."""
    parts = ("zeros", [0, 0]), ("ends", [0, 1]), ("ones", [1, 1])
    column, two, one = (number_node(f"{node.name}/{name}", value, node) for name, value in parts)
    index = {"T": type_attr(protos.DT_INT32), "Index": type_attr(protos.DT_INT32)}
    begin = new_node(f"{node.name}/begin", "StridedSlice", [pads.name, column.name, two.name, one.name], node,
                     **index, begin_mask=protos.AttrValue(i=1), end_mask=protos.AttrValue(i=1),
                     shrink_axis_mask=protos.AttrValue(i=2))  # fmt: skip
    last = new_node(node.name, "Slice", [wide.name, begin.name, sizes[-1]], node, T=node.attr["T"],
                    Index=type_attr(protos.DT_INT32))  # fmt: skip
    return [column, two, one, begin, last]


def _shape_of(node: Any, image: str) -> Any:
    out = type_attr(protos.DT_INT32)
    return new_node(f"{node.name}/shape", "Shape", [image], node, T=node.attr["T"], out_type=out)


def _lowest(node: Any) -> Any:
    kind = np.dtype(dtypes.as_dtype(node.attr["T"].type).np_dtype)
    return np.iinfo(kind).min if kind.kind in "iu" else -np.inf


def _pool(node: Any) -> list[Any]:
    (image,), controls = inputs_of(node)
    pads = _pads(node)
    added = _padded_input(node, image, pads, _lowest(node))
    return [pads, *added, _valid(node, [added[-1].name, *controls])]


def _pool_grad(node: Any) -> list[Any]:
    (image, result, slope), controls = inputs_of(node)
    pads, size = _pads(node), _shape_of(node, image)
    added = _padded_input(node, image, pads, _lowest(node))
    wide = _valid(node, [added[-1].name, result, slope, *controls], f"{node.name}/wide")
    return [pads, size, *added, wide, *_cut(node, wide, pads, [size.name])]


def _depthwise(node: Any) -> list[Any]:
    (image, *others), controls = inputs_of(node)
    pads = _pads(node)
    added = _padded_input(node, image, pads)
    return [pads, *added, _valid(node, [added[-1].name, *others, *controls])]


def _depthwise_input_grad(node: Any) -> list[Any]:
    (sizes, *others), controls = inputs_of(node)
    pads = _pads(node)
    pairs = np.reshape(list(node.attr["explicit_paddings"].list.i), (-1, 2))
    both = number_node(f"{node.name}/both", pairs.sum(1), node)
    total = new_node(f"{node.name}/sizes", "AddV2", [sizes, both.name], node, T=type_attr(protos.DT_INT32))
    wide = _valid(node, [total.name, *others, *controls], f"{node.name}/wide")
    return [pads, both, total, wide, *_cut(node, wide, pads, [sizes])]


# --- fused kernels -----------------------------------------------------------------------------------------

_ACTIVATIONS = frozenset((b"Relu", b"Relu6", b"Elu", b"Tanh", b"Sigmoid", b"LeakyRelu"))


def _unfused(node: Any, first: str, own: tuple[str, ...]) -> list[Any]:
    """A product with what a release appended to it: a bias, a normalization, an activation, a sum."""
    (left, right, *arguments), controls = inputs_of(node)
    kind, steps = node.attr["T"], list(node.attr["fused_ops"].list.s)
    head = new_node(f"{node.name}/{first}", first, [left, right, *controls], node, T=kind)
    for key in own:
        if key in node.attr:
            head.attr[key].CopyFrom(node.attr[key])
    made = [head]
    for step in steps:
        made.append(_fused_step(node, step, made[-1].name, arguments))
    made[-1].name = node.name
    return made


def _fused_step(node: Any, step: bytes, source: str, arguments: list[str]) -> Any:
    """One of the operations that a fused one ends with; it takes what it needs from the arguments."""
    name, kind = f"{node.name}/{step.decode()}", node.attr["T"]
    layout = {"data_format": node.attr["data_format"]} if "data_format" in node.attr else {}
    if step == b"BiasAdd":
        return new_node(name, "BiasAdd", [source, arguments.pop(0)], node, T=kind, **layout)
    if step == b"Add":
        return new_node(name, "AddV2", [source, arguments.pop(0)], node, T=kind)
    if step == b"FusedBatchNorm":
        four = [arguments.pop(0) for _ in range(4)]
        still = protos.AttrValue(b=False)
        made = new_node(name, "FusedBatchNorm", [source, *four], node, T=kind, is_training=still, **layout)
        if "epsilon" in node.attr:
            made.attr["epsilon"].CopyFrom(node.attr["epsilon"])
        return made
    if step not in _ACTIVATIONS:
        raise ValueError(
            f"import_graph_def: node '{node.name}' (type {node.op}): fuses what is not known here. "
            f"Received: {step.decode()!r}"
        )
    made = new_node(name, step.decode(), [source], node, T=kind)
    if step == b"LeakyRelu":
        made.attr["alpha"].f = node.attr["leakyrelu_alpha"].f if "leakyrelu_alpha" in node.attr else 0.2
    return made


_OF_CONVOLUTIONS = ("strides", "padding", "explicit_paddings", "data_format", "dilations")


_LAYOUTS = {
    (True, True): b"NCHW",
    (True, False): b"NHWC",
    (False, True): b"NCDHW",
    (False, False): b"NDHWC",
}


def _conv(node: Any) -> list[Any]:
    """A convolution of any rank, which its strides tell."""
    (image, filters), controls = inputs_of(node)
    flat = len(node.attr["strides"].list.i) == 4
    first = node.attr["data_format"].s == b"CHANNELS_FIRST"
    made = new_node(node.name, "Conv2D" if flat else "Conv3D", [image, filters, *controls], node,
                    T=node.attr["T"], strides=node.attr["strides"], padding=node.attr["padding"])  # fmt: skip
    made.attr["data_format"].s = _LAYOUTS[flat, first]
    for key in ("explicit_paddings", "dilations"):
        if node.attr[key].list.i:
            made.attr[key].CopyFrom(node.attr[key])
    return [made]


# --- calls, datasets and hints -----------------------------------------------------------------------------


def _batched_call(node: Any) -> list[Any]:
    """A function of a batch of requests, of which there is one."""
    made = new_node(
        node.name, "StatefulPartitionedCall", node.input, node, f=node.attr["f"], Tout=node.attr["Tout"]
    )
    made.attr["Tin"].list.type.extend([*node.attr["Tin"].list.type, *node.attr["Tcaptured"].list.type])
    return [made]


def _remote_call(node: Any) -> list[Any]:
    """A call on another device, here."""
    return [renamed(node, "StatefulPartitionedCall", node.input[1:])]


def _passed_on(node: Any) -> list[Any]:
    """A copy for a debugger or another device."""
    kind = node.attr["T"] if "T" in node.attr else type_attr(protos.DT_VARIANT)
    data, controls = inputs_of(node)
    return [new_node(node.name, "Identity", [data[0], *controls], node, T=kind)]


def _queue_handle(node: Any) -> list[Any]:
    """A queue under its older kind of handle, which is the same here."""
    return [new_node(node.name, "Identity", node.input, node, T=type_attr(protos.DT_RESOURCE))]


def _nothing(node: Any) -> list[Any]:
    """A resource that only later forms of datasets take."""
    return [new_node(node.name, "NoOp", inputs_of(node)[1], node)]


def _as(op: str, keep: Callable[[list[str]], list[str]], *dropped: str) -> Callable[[Any], list[Any]]:
    """An earlier form, which takes some of the inputs and lacks some attributes."""

    def form(node: Any) -> list[Any]:
        data, controls = inputs_of(node)
        made = renamed(node, op, [*keep(data), *controls])
        for key in dropped:
            made.attr.pop(key, None)
        return [made]

    return form


def _parallel_map(node: Any) -> list[Any]:
    """Of how many calls at a time there are was once an int32."""
    data, controls = inputs_of(node)
    narrow = new_node(f"{node.name}/calls", "Cast", data[-1:], node, SrcT=type_attr(protos.DT_INT64),
                      DstT=type_attr(protos.DT_INT32))  # fmt: skip
    made = renamed(node, "ParallelMapDataset", [*data[:-1], narrow.name, *controls])
    made.attr["sloppy"].b = made.attr["deterministic"].s == b"false"
    for key in ("deterministic", "use_unbounded_threadpool"):
        made.attr.pop(key, None)
    return [narrow, made]


def _parallel_interleave(node: Any) -> list[Any]:
    data, controls = inputs_of(node)
    if node.op == "ParallelInterleaveDatasetV4":
        data = [*data[:-3], data[-1]]  # without the sizes of two buffers
    made = renamed(node, "ParallelInterleaveDatasetV2", [*data, *controls])
    made.attr["sloppy"].b = made.attr["deterministic"].s == b"false"
    made.attr.pop("deterministic", None)
    return [made]


def _narrow_k(node: Any) -> list[Any]:
    """TopKV2, whose k is an int32 here."""
    (values, count), controls = inputs_of(node)
    cast = new_node(f"{node.name}/k", "Cast", [count], node, SrcT=node.attr["Tk"],
                    DstT=type_attr(protos.DT_INT32))  # fmt: skip
    made = renamed(node, node.op, [values, cast.name, *controls])
    del made.attr["Tk"]
    return [cast, made]


def _device_number(node: Any) -> list[Any]:
    """Which of some kinds of devices runs: the CPU, else none of them."""
    names = list(node.attr["device_names"].list.s)
    made = number_node(node.name, names.index(b"CPU") if b"CPU" in names else len(names), node)
    made.input.extend(inputs_of(node)[1])
    return [made]


def _wide_k(node: Any) -> bool:
    return "Tk" in node.attr and node.attr["Tk"].type != protos.DT_INT32


def _always(node: Any) -> bool:
    return True


_PASSED_ON = (
    "Copy",
    "CopyHost",
    "DebugGradientRefIdentity",
    "DebugIdentity",
    "DebugIdentityV2",
    "DebugIdentityV3",
    "FinalizeDataset",
    "OptimizeDatasetV2",
    "OptionsDataset",
    "RewriteDataset",
)
_UNUSED = (
    "AnonymousMemoryCache",
    "AnonymousSeedGenerator",
    "DeleteMemoryCache",
    "DeleteRandomSeedGenerator",
    "DeleteSeedGenerator",
    "DummyMemoryCache",
    "DummySeedGenerator",
)
_WHOLE_TYPES: dict[str, Callable[[Any], list[Any]]] = {
    **dict.fromkeys(_PASSED_ON, _passed_on),
    **dict.fromkeys(_UNUSED, _nothing),
    "BatchFunction": _batched_call,
    "CacheDatasetV2": _as("CacheDataset", lambda data: data[:2]),
    "Conv": _conv,
    "DeviceIndex": _device_number,
    "FakeQueue": _queue_handle,
    "FusedDepthwiseConv2dNative": partial(_unfused, first="DepthwiseConv2dNative", own=_OF_CONVOLUTIONS),
    "ParallelBatchDataset": _as(
        "BatchDatasetV2", lambda data: [*data[:2], data[3]], "deterministic", "parallel_copy"
    ),
    "ParallelFilterDataset": _as("FilterDataset", lambda data: data[:-1], "deterministic"),
    "ParallelInterleaveDatasetV3": _parallel_interleave,
    "ParallelInterleaveDatasetV4": _parallel_interleave,
    "ParallelMapDatasetV2": _parallel_map,
    "RandomDatasetV2": _as("RandomDataset", lambda data: data[:2], "rerandomize_each_iteration"),
    "RemoteCall": _remote_call,
    "ShuffleAndRepeatDatasetV2": _as("ShuffleAndRepeatDataset", lambda data: data[:5]),
    "ShuffleDatasetV3": _as("ShuffleDataset", lambda data: data[:4]),
    "TFRecordDatasetV2": _as("TFRecordDataset", lambda data: data[:3]),
    "_FusedConv2D": partial(_unfused, first="Conv2D", own=_OF_CONVOLUTIONS),
    "_FusedDepthwiseConv2dNative": partial(_unfused, first="DepthwiseConv2dNative", own=_OF_CONVOLUTIONS),
    "_FusedMatMul": partial(_unfused, first="MatMul", own=("transpose_a", "transpose_b")),
}
FORMS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], list[Any]]]] = {
    "DepthwiseConv2dNative": (_explicit, _depthwise),
    "DepthwiseConv2dNativeBackpropFilter": (_explicit, _depthwise),
    "DepthwiseConv2dNativeBackpropInput": (_explicit, _depthwise_input_grad),
    "MaxPool": (_explicit, _pool),
    "MaxPoolGrad": (_explicit, _pool_grad),
    "TopKV2": (_wide_k, _narrow_k),
    **{name: (_always, form) for name, form in _WHOLE_TYPES.items()},
}
"""By type: where a node has a later form, and the nodes that it becomes; the last has its name."""
STANDS_FOR = {
    "BatchFunction": "IdentityN",
    "Conv": "Conv2D",
    "DeviceIndex": "Const",
    "FakeQueue": "Identity",
    "RemoteCall": "IdentityN",
    **dict.fromkeys(_PASSED_ON, "Identity"),
    **dict.fromkeys(_UNUSED, "NoOp"),
    "CacheDatasetV2": "CacheDataset",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "ParallelBatchDataset": "BatchDatasetV2",
    "ParallelFilterDataset": "FilterDataset",
    "ParallelInterleaveDatasetV3": "ParallelInterleaveDatasetV2",
    "ParallelInterleaveDatasetV4": "ParallelInterleaveDatasetV2",
    "ParallelMapDatasetV2": "ParallelMapDataset",
    "RandomDatasetV2": "RandomDataset",
    "ShuffleAndRepeatDatasetV2": "ShuffleAndRepeatDataset",
    "ShuffleDatasetV3": "ShuffleDataset",
    "TFRecordDatasetV2": "TFRecordDataset",
    "_FusedConv2D": "Conv2D",
    "_FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}
"""The types that are not there by themselves, and the one that does their work."""
