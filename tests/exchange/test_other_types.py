"""Graphs of other releases: queues, readers, stacks and arrays that were strings, fused convolutions."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos


class Nodes:
    """A GraphDef written node by node."""

    def __init__(self) -> None:
        self.proto = tf.GraphDef()

    def add(self, name: str, op: str, *inputs: str, **attrs: object) -> str:
        node = self.proto.node.add(name=name, op=op)
        node.input.extend(inputs)
        for key, value in attrs.items():
            if isinstance(value, tf.DType):
                node.attr[key].type = value.as_datatype_enum
            elif isinstance(value, np.ndarray):
                node.attr[key].tensor.CopyFrom(tf.make_tensor_proto(value))
            else:
                node.attr[key].CopyFrom(value)
        return name

    def const(self, name: str, value: object, dtype: str) -> str:
        array = np.array(value, dtype)
        return self.add(name, "Const", dtype=tf.as_dtype(array.dtype), value=array)

    def run(self, *fetches: str) -> list[object]:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(self.proto, name="")
            again = graph.as_graph_def()
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.import_graph_def(again, name="")
            return [np.asarray(v).tolist() for v in sess.run(list(fetches))]


def types(*dtypes: tf.DType) -> protos.AttrValue:
    made = protos.AttrValue()
    made.list.type.extend(d.as_datatype_enum for d in dtypes)
    return made


def ints(*values: int) -> protos.AttrValue:
    made = protos.AttrValue()
    made.list.i.extend(values)
    return made


def text(value: bytes) -> protos.AttrValue:
    return protos.AttrValue(s=value)


@pytest.mark.parametrize("version", ["", "V2"])
def test_arrays(version):
    g = Nodes()
    g.const("size", 3, "i")
    g.add("ta", f"TensorArray{version}", "size", dtype=tf.float32)
    flow = g.const("flow", 0, "f")
    for k in range(3):
        g.const(f"i{k}", k, "i")
        g.const(f"v{k}", [k, k + 1], "f")
        flow = g.add(f"w{k}", f"TensorArrayWrite{version}", "ta", f"i{k}", f"v{k}", flow, T=tf.float32)
    g.const("all", [2, 0, 1], "i")
    g.add("rows", f"TensorArrayGather{version}", "ta", "all", flow, dtype=tf.float32)
    g.add("one", f"TensorArrayRead{version}", "ta", "i1", flow, dtype=tf.float32)
    g.add("count", f"TensorArraySize{version}", "ta", flow)
    assert g.run("rows:0", "count:0") == [[[2, 3], [0, 1], [1, 2]], 3]
    assert g.run("one:0") == [[1, 2]]


def test_whole_arrays():
    g = Nodes()
    g.const("size", 3, "i")
    g.add("ta", "TensorArray", "size", dtype=tf.float32)
    g.const("flow", 0, "f")
    g.const("x", [[0, 1], [2, 3], [4, 5]], "f")
    g.add("u", "TensorArrayUnpack", "ta", "x", "flow", T=tf.float32)
    g.add("p", "TensorArrayPack", "ta", "u", dtype=tf.float32)
    assert g.run("p:0") == [[[0, 1], [2, 3], [4, 5]]]


def test_arrays_in_a_loop():
    """A handle goes around a loop as a reference to a string."""
    g = Nodes()
    g.const("size", 4, "i")
    g.add("ta", "TensorArray", "size", dtype=tf.float32)
    g.const("flow", 0, "f")
    g.const("zero", 0, "i")
    frame = {"frame_name": text(b"loop")}
    constant = {**frame, "is_constant": protos.AttrValue(b=True)}
    g.add("handle", "RefEnter", "ta", T=tf.string, **constant)
    g.add("i/enter", "Enter", "zero", T=tf.int32, **frame)
    g.add("f/enter", "Enter", "flow", T=tf.float32, **frame)
    g.add("size/enter", "Enter", "size", T=tf.int32, **constant)
    g.add("i", "Merge", "i/enter", "i/next", T=tf.int32)
    g.add("f", "Merge", "f/enter", "f/next", T=tf.float32)
    g.add("less", "Less", "i", "size/enter", T=tf.int32)
    g.add("go", "LoopCond", "less")
    g.add("i/switch", "Switch", "i", "go", T=tf.int32)
    g.add("f/switch", "Switch", "f", "go", T=tf.float32)
    g.add("i/in", "Identity", "i/switch:1", T=tf.int32)
    g.add("f/in", "Identity", "f/switch:1", T=tf.float32)
    g.const("one", 1, "i")
    g.proto.node[-1].input.append("^i/in")
    g.add("more", "AddV2", "i/in", "one", T=tf.int32)
    g.add("x", "Cast", "more", SrcT=tf.int32, DstT=tf.float32)
    g.add("write", "TensorArrayWrite", "handle", "i/in", "x", "f/in", T=tf.float32)
    g.add("i/next", "NextIteration", "more", T=tf.int32)
    g.add("f/next", "NextIteration", "write", T=tf.float32)
    g.add("f/exit", "Exit", "f/switch", T=tf.float32)
    g.add("p", "TensorArrayPack", "ta", "f/exit", dtype=tf.float32)
    assert g.run("p:0") == [[1, 2, 3, 4]]


def test_queues():
    g = Nodes()
    shapes = protos.AttrValue()
    shapes.list.shape.add()
    ten = protos.AttrValue(i=10)
    g.add("q", "FIFOQueue", component_types=types(tf.int32), capacity=ten, shapes=shapes)
    g.const("x", [1, 2, 3], "i")
    g.add("e", "QueueEnqueueMany", "q", "x", Tcomponents=types(tf.int32))
    g.const("n", 2, "i")
    g.add("d", "QueueDequeueMany", "q", "n", "^e", component_types=types(tf.int32))
    g.add("s", "QueueSize", "q", "^d")
    assert g.run("d:0", "s:0") == [[1, 2], 1]


def test_readers(tmp_path):
    (tmp_path / "lines").write_text("a\nb\n")
    g = Nodes()
    g.add("q", "FIFOQueue", component_types=types(tf.string))
    g.add("file", "Const", dtype=tf.string, value=np.array(str(tmp_path / "lines").encode(), object))
    g.add("e", "QueueEnqueue", "q", "file", Tcomponents=types(tf.string))
    g.add("r", "TextLineReader")
    g.add("line", "ReaderRead", "r", "q", "^e")
    g.add("count", "ReaderNumRecordsProduced", "r", "^line")
    assert g.run("line:1", "count:0") == [b"a", 1]


def test_stacks():
    g = Nodes()
    g.add("s", "Stack", elem_type=tf.float32)
    g.const("x", 3, "f")
    g.add("push", "StackPush", "s", "x", T=tf.float32)
    g.add("pop", "StackPop", "s", "^push", elem_type=tf.float32)
    assert g.run("pop:0") == [3]


def test_batches_of_matrices():
    g = Nodes()
    g.const("x", [[[4, 0], [0, 9]]], "f")
    g.add("root", "BatchCholesky", "x", T=tf.float32)
    g.add("det", "BatchMatrixDeterminant", "x", T=tf.float32)
    assert g.run("root:0", "det:0") == [[[[2, 0], [0, 3]]], [36]]


def test_fused_convolutions():
    rng = np.random.RandomState(0)
    image, filters = rng.randn(1, 5, 6, 2).astype("f"), rng.randn(3, 3, 2, 4).astype("f")
    border = [[0, 0], [1, 2], [2, 1], [0, 0]]
    g = Nodes()
    g.add("x", "Const", dtype=tf.float32, value=image)
    g.add("w", "Const", dtype=tf.float32, value=filters)
    g.const("p", border, "i")
    g.const("s", [7, 9], "i")
    shared = {"T": tf.float32, "padding": text(b"VALID"), "strides": ints(1, 2, 2, 1)}
    g.add("y", "FusedPadConv2D", "x", "p", "w", mode=text(b"REFLECT"), **shared)
    align = protos.AttrValue(b=True)
    g.add("z", "FusedResizeAndPadConv2D", "x", "s", "p", "w", mode=text(b"SYMMETRIC"),
          resize_align_corners=align, **shared)  # fmt: skip
    found = g.run("y:0", "z:0")
    with tf.Graph().as_default(), tf.Session() as sess:
        first = tf.nn.conv2d(tf.pad(image, border, "REFLECT"), filters, [1, 2, 2, 1], "VALID")
        larger = tf.image.resize_bilinear(image, [7, 9], align_corners=True)
        second = tf.nn.conv2d(tf.pad(larger, border, "SYMMETRIC"), filters, [1, 2, 2, 1], "VALID")
        for got, wanted in zip(found, sess.run([first, second]), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


# --- of later releases -------------------------------------------------------------------------------------


def test_later_names():
    g = Nodes()
    g.const("x", [[[1, 2], [3, 4]]], "f")
    g.add("y", "BatchMatMulV3", "x", "x", Ta=tf.float32, Tb=tf.float32, Tout=tf.float32)
    g.const("ids", [0, 0], "q")
    g.const("rows", [[1, 2], [3, 4]], "f")
    g.const("n", 2, "i")
    g.add("s", "SegmentSumV2", "rows", "ids", "n", T=tf.float32, Tindices=tf.int64, Tnumsegments=tf.int32)
    g.const("which", [0, 1], "i")
    wide = {"Tidx": tf.int32, "Tsegmentids": tf.int64, "sparse_gradient": protos.AttrValue(b=True)}
    g.add("m", "SparseSegmentMean", "rows", "which", "ids", T=tf.float32, **wide)
    assert g.run("y:0", "s:0", "m:0") == [[[[7, 10], [15, 22]]], [[4, 6], [0, 0]], [[2, 3]]]


def functions_of_branches(proto: protos.GraphDef, count: int) -> protos.AttrValue:
    """Functions that multiply by 10, 20, 30, ..."""
    used = protos.AttrValue()
    for k in range(count):
        made = proto.library.function.add()
        made.signature.name = f"times_{k}"
        made.signature.input_arg.add(name="x", type=tf.float32.as_datatype_enum)
        made.signature.output_arg.add(name="y", type=tf.float32.as_datatype_enum)
        factor = made.node_def.add(name="factor", op="Const")
        factor.attr["dtype"].type = tf.float32.as_datatype_enum
        factor.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(10 * (k + 1))))
        product = made.node_def.add(name="product", op="Mul", input=["x", "factor:output:0"])
        product.attr["T"].type = tf.float32.as_datatype_enum
        made.ret["y"] = "product:z:0"
        used.list.func.add(name=f"times_{k}")
    return used


@pytest.mark.parametrize("count", [1, 2, 4])
def test_cases(count):
    for index, factor in ((0, 10), (count - 1, 10 * count), (-1, 10 * count), (9, 10 * count)):
        g = Nodes()
        g.const("i", index, "i")
        g.const("x", 2, "f")
        branches = functions_of_branches(g.proto, count)
        one = types(tf.float32)
        g.add("case", "StatelessCase", "i", "x", branches=branches, Tin=one, Tout=one)
        assert g.run("case:0") == [2 * factor]


@pytest.mark.parametrize("count", [2, 3])
def test_a_branch_of_a_case_of_another_type_fails_only_where_it_is_taken(count):
    for index in range(count):
        g = Nodes()
        g.const("i", index, "i")
        g.const("x", 2, "f")
        branches = functions_of_branches(g.proto, count)
        other = g.proto.library.function[1]
        other.signature.output_arg[0].type = tf.int32.as_datatype_enum
        cast = other.node_def.add(name="cast", op="Cast", input=["product:z:0"])
        cast.attr["SrcT"].type, cast.attr["DstT"].type = (t.as_datatype_enum for t in (tf.float32, tf.int32))
        other.ret["y"] = "cast:y:0"
        g.add("case", "Case", "i", "x", branches=branches, Tin=types(tf.float32), Tout=types(tf.float32))
        if index != 1:
            assert g.run("case:0") == [20 * (index + 1)]
            continue
        with pytest.raises(tf.errors.InvalidArgumentError, match="DT_INT32_not_DT_FLOAT|result_0"):
            g.run("case:0")


def test_a_case_without_its_functions():
    g = Nodes()
    g.const("i", 0, "i")
    branches = protos.AttrValue()
    branches.list.func.add(name="gone")
    g.add("case", "Case", "i", branches=branches, Tin=types(), Tout=types(tf.float32))
    with pytest.raises(ValueError, match="lacks.*gone"):
        g.run("case:0")


def test_results_of_a_call_by_name_in_a_branch():
    """They are spelled by the names of the function's results, also where a branch gives them on."""
    g = Nodes()
    g.add("yes", "Const", dtype=tf.bool, value=np.array(True))
    g.const("x", 2, "f")
    functions_of_branches(g.proto, 1)
    g.proto.library.function[0].signature.output_arg[0].name = "add_3"
    g.proto.library.function[0].ret["add_3"] = g.proto.library.function[0].ret.pop("y")
    branch = g.proto.library.function.add()
    branch.signature.name = "calls"
    branch.signature.input_arg.add(name="x", type=tf.float32.as_datatype_enum)
    branch.signature.output_arg.add(name="y", type=tf.float32.as_datatype_enum)
    branch.signature.output_arg.add(name="z", type=tf.float32.as_datatype_enum)
    branch.node_def.add(name="call", op="times_0", input=["x"])
    branch.node_def.add(name="neg", op="Neg", input=["call:add_3:0"]).attr[
        "T"
    ].type = tf.float32.as_datatype_enum
    branch.ret["y"], branch.ret["z"] = "call:add_3:0", "neg:y:0"
    used = protos.AttrValue()
    used.func.name = "calls"
    two = types(tf.float32, tf.float32)
    g.add("if", "StatelessIf", "yes", "x", then_branch=used, else_branch=used, Tcond=tf.bool,
          Tin=types(tf.float32), Tout=two)  # fmt: skip
    g.add("a", "Identity", "if:0", T=tf.float32)
    g.add("b", "Identity", "if:1", T=tf.float32)
    assert g.run("a:0", "b:0") == [20, -20]
