"""Operation types of early and of later releases, as those known here: two rewrites of the importer.

Queues, readers, stacks and tensor arrays were once strings in variables; their successors are
resources, and otherwise the same. Later releases gave known operations new names for more dtypes, or for
tables without a name. What has no single successor becomes the operations that it stands for; the
last of them has its name.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from millrace.core import protos
from millrace.exchange.later_forms import FORMS, STANDS_FOR
from millrace.exchange.new_nodes import inputs_of, new_node, number_node, renamed, type_attr
from millrace.exchange.tokens import FLOW, REFERENCES, plain

_QUEUES = ("FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "RandomShuffleQueue")
_OF_QUEUES = ("Close", "Dequeue", "DequeueMany", "DequeueUpTo", "Enqueue", "EnqueueMany", "IsClosed", "Size")
_READERS = ("FixedLengthRecord", "Identity", "TFRecord", "TextLine", "WholeFile")
_OF_READERS = ("NumRecordsProduced", "NumWorkUnitsCompleted", "Read", "ReadUpTo", "Reset", "RestoreState",
               "SerializeState")  # fmt: skip
_OF_ARRAYS = ("", "Close", "Concat", "Gather", "Grad", "Read", "Scatter", "Size", "Split", "Write")
_OF_MATRICES = ("Cholesky", "CholeskyGrad", "FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D",
                "SelfAdjointEig", "SelfAdjointEigV2", "Svd")  # fmt: skip
_OF_BATCHES = ("Determinant", "Inverse", "Solve", "SolveLs", "TriangularSolve")
_MAKERS = frozenset(("Stack", *_QUEUES, *(f"{r}Reader" for r in _READERS)))

SUCCESSORS: dict[str, str] = {
    **{name: f"{name}V2" for name in _QUEUES},
    **{f"Queue{verb}": f"Queue{verb}V2" for verb in _OF_QUEUES},
    **{f"{kind}Reader": f"{kind}ReaderV2" for kind in _READERS},
    **{f"Reader{verb}": f"Reader{verb}V2" for verb in _OF_READERS},
    **{f"TensorArray{verb}": f"TensorArray{verb}V3" for verb in _OF_ARRAYS},
    **{f"TensorArray{verb}V2": f"TensorArray{verb}V3" for verb in _OF_ARRAYS},
    **{f"Batch{name}": name for name in _OF_MATRICES},
    **{f"BatchMatrix{name}": f"Matrix{name}" for name in _OF_BATCHES},
    **{f"Stack{verb}": f"Stack{verb}V2" for verb in ("", "Close", "Pop", "Push")},
}


LATER: dict[str, str] = {
    "AnonymousHashTable": "HashTableV2",
    "AnonymousMutableDenseHashTable": "MutableDenseHashTableV2",
    "AnonymousMutableHashTable": "MutableHashTableV2",
    "AnonymousMutableHashTableOfTensors": "MutableHashTableOfTensorsV2",
    "BatchMatMulV3": "BatchMatMulV2",
    "CheckNumericsV2": "CheckNumerics",
    "QuantizeAndDequantizeV4": "QuantizeAndDequantizeV2",
    "SegmentMaxV2": "UnsortedSegmentMax",
    "SegmentMinV2": "UnsortedSegmentMin",
    "SegmentProdV2": "UnsortedSegmentProd",
    "SegmentSumV2": "UnsortedSegmentSum",
}
_ONE_TYPE = ("Ta", "Tb", "Tout")  # of a product whose matrices may have different dtypes


def _all_places(node: Any, count: str) -> list[Any]:
    """0, 1, ... up to a count: what a whole array is read or written at."""
    first, step = number_node(f"{node.name}/first", 0, node), number_node(f"{node.name}/step", 1, node)
    places = new_node(
        f"{node.name}/places", "Range", [first.name, count, step.name], node, Tidx=type_attr(protos.DT_INT32)
    )
    return [first, step, places]


def _stack(node: Any) -> list[Any]:
    size = number_node(f"{node.name}/max_size", -1, node)
    return [size, renamed(node, "StackV2", [size.name, *node.input])]


def _pack(node: Any) -> list[Any]:
    (handle, flow), controls = inputs_of(node)
    size = new_node(f"{node.name}/size", "TensorArraySizeV3", [handle, flow], node)
    added = _all_places(node, size.name)
    inputs = [handle, added[-1].name, flow, *controls]
    return [size, *added, renamed(node, "TensorArrayGatherV3", inputs)]


def _unpack(node: Any) -> list[Any]:
    (handle, value, flow), controls = inputs_of(node)
    shape = new_node(
        f"{node.name}/shape", "Shape", [value], node, T=node.attr["T"], out_type=type_attr(protos.DT_INT32)
    )
    begin = number_node(f"{node.name}/begin", [0], node)
    end = number_node(f"{node.name}/end", [1], node)
    count = new_node(
        f"{node.name}/count",
        "StridedSlice",
        [shape.name, begin.name, end.name, end.name],
        node,
        T=type_attr(protos.DT_INT32),
        Index=type_attr(protos.DT_INT32),
        shrink_axis_mask=protos.AttrValue(i=1),
    )
    added = _all_places(node, count.name)
    inputs = [handle, added[-1].name, value, flow, *controls]
    return [shape, begin, end, count, *added, renamed(node, "TensorArrayScatterV3", inputs)]


def _padded(node: Any) -> list[Any]:
    """A convolution that pads its image, and resizes it before, where it takes a size."""
    (image, *sizes, paddings, filters), controls = inputs_of(node)
    made = []
    if sizes:
        made.append(
            new_node(
                f"{node.name}/resize",
                "ResizeBilinear",
                [image, *sizes],
                node,
                T=node.attr["T"],
                align_corners=node.attr["resize_align_corners"],
            )
        )
        image = made[0].name
    made.append(
        new_node(
            f"{node.name}/pad", "MirrorPad", [image, paddings], node, T=node.attr["T"], mode=node.attr["mode"]
        )
    )
    last = renamed(node, "Conv2D", [made[-1].name, filters, *controls])
    del last.attr["mode"]
    if "resize_align_corners" in last.attr:
        del last.attr["resize_align_corners"]
    return [*made, last]


_TAKEN_APART: dict[str, Callable[[Any], list[Any]]] = {
    "FusedPadConv2D": _padded,
    "FusedResizeAndPadConv2D": _padded,
    "Stack": _stack,
    "TensorArrayPack": _pack,
    "TensorArrayUnpack": _unpack,
}
OLDER = frozenset((*SUCCESSORS, *_TAKEN_APART))
READ_AS: dict[str, str] = {
    **SUCCESSORS,
    **LATER,
    **STANDS_FOR,
    "Case": "If",
    "For": "IdentityN",
    "FusedPadConv2D": "Conv2D",
    "FusedResizeAndPadConv2D": "Conv2D",
    "PartitionedCall": "IdentityN",
    "StatefulPartitionedCall": "IdentityN",
    "StatelessCase": "If",
    "StatelessIf": "If",
    "StatelessWhile": "While",
    "SymbolicGradient": "IdentityN",
    "TensorArrayPack": "TensorArrayGatherV3",
    "TensorArrayUnpack": "TensorArrayScatterV3",
}
"""The types that the importer turns into others, and what has their names then."""


def read_later(nodes: list[Any], functions: MutableMapping[str, Any]) -> list[Any]:
    """The nodes with those of later types as known ones.

    Args:
      nodes: NodeDefs of a graph.
      functions: FunctionDefs by name; those that hold later types are replaced.
    """
    for name, function in functions.items():
        if any(map(_is_later, function.node_def)):
            made = protos.FunctionDef()
            made.CopyFrom(function)
            del made.node_def[:]
            made.node_def.extend(one for node in function.node_def for one in _earlier(node))
            functions[name] = made
    return [one for node in nodes for one in _earlier(node)]


def _is_later(node: Any) -> bool:
    form = FORMS.get(node.op)
    return node.op in LATER or "Tsegmentids" in node.attr or (form is not None and form[0](node))


def _with_narrow_ids(node: Any) -> list[Any]:
    """Numbers of segments are of 32 bits here."""
    made = renamed(node, node.op)
    del made.attr["Tsegmentids"]
    if node.attr["Tsegmentids"].type == protos.DT_INT32:
        return [made]
    wide, narrow = type_attr(protos.DT_INT64), type_attr(protos.DT_INT32)
    ids = new_node(f"{node.name}/segment_ids", "Cast", [node.input[2]], node, SrcT=wide, DstT=narrow)
    made.input[2] = ids.name
    return [ids, made]


def _earlier(node: Any) -> list[Any]:
    if not _is_later(node):
        return [node]
    if node.op in FORMS:
        return FORMS[node.op][1](node)
    if node.op not in LATER:
        return _with_narrow_ids(node)
    made = renamed(node, LATER[node.op])
    if node.op == "BatchMatMulV3" and len({made.attr[key].type for key in _ONE_TYPE}) == 1:
        made.attr["T"].type = made.attr["Tout"].type
        for key in _ONE_TYPE:
            del made.attr[key]
    return [made]


def read_older(nodes: list[Any], functions: Any) -> list[Any]:
    """The nodes with those of older types as what took their place.

    Args:
      nodes: NodeDefs of a graph.
      functions: the FunctionDefs; untouched.
    """
    if not any(node.op in OLDER for node in nodes):
        return nodes
    handles = _handles(nodes)
    made: list[Any] = []
    for node in nodes:
        apart = _TAKEN_APART.get(node.op)
        if apart is not None:
            made += apart(node)
        elif node.op in SUCCESSORS:
            made.append(renamed(node, SUCCESSORS[node.op]))
        elif node.name in handles:
            made.append(_of_resource(node))
        else:
            made.append(node)
    return made


def _handles(nodes: list[Any]) -> set[str]:
    """The nodes that pass a handle on which was a string and is a resource now."""
    arrays = {f"TensorArray{verb}" for verb in ("", "V2", "Grad", "GradV2")}
    found = {node.name for node in nodes if node.op in _MAKERS or node.op in arrays}
    size = 0
    while len(found) != size:  # around loops, too
        size = len(found)
        for node in nodes:
            if plain(node.op) in FLOW or node.op in ("Identity", "RefIdentity"):
                data, _ = inputs_of(node)
                if any(text.partition(":")[0] in found for text in data[:1]):
                    found.add(node.name)
    return found


def _of_resource(node: Any) -> Any:
    made = renamed(node, node.op.removeprefix(REFERENCES))
    made.attr["T"].type = protos.DT_RESOURCE
    return made
