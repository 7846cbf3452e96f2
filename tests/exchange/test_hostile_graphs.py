"""GraphDefs that are small and would become large, or contradict themselves: errors, in time."""

import random
import threading
import time

import pytest
from google.protobuf import text_format

import millrace as tf
from millrace.core import protos

CALL = """node_def {{ name: "{0}" op: "{1}" input: "{2}" }}"""
FLOAT = """node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 1 } } } }"""


def function(name, *calls):
    body, last = "", "x"
    for i, called in enumerate(calls):
        body += CALL.format(f"n{i}", called, last)
        last = f"n{i}:y:0"
    return f"""function {{ signature {{ name: "{name}" input_arg {{ name: "x" type: DT_FLOAT }}
      output_arg {{ name: "y" type: DT_FLOAT }} }} {body} ret {{ key: "y" value: "{last}" }} }}"""


def graph(*functions):
    text = f'library {{ {" ".join(functions)} }} {FLOAT} node {{ name: "z" op: "f0" input: "c" }}'
    return text_format.Parse(text, protos.GraphDef())


@pytest.mark.parametrize(
    "definition",
    [
        graph(function("f0", "f0", "f0")),
        graph(function("f0", "f1"), function("f1", "f0")),
        graph(*[function(f"f{i}", f"f{i + 1}", f"f{i + 1}") for i in range(60)], function("f60", "Neg")),
    ],
    ids=["itself", "each_other", "doubling"],
)
def test_functions_without_bound(definition):
    started = time.process_time()
    with pytest.raises(ValueError, match="calls itself|too many nodes"):
        tf.import_graph_def(definition, name="")
    assert time.process_time() - started < 2
    assert not tf.get_default_graph().get_operations()


def test_functions_nested_deeply_are_taken():
    functions = [function(f"f{i}", f"f{i + 1}") for i in range(100)]
    last = """function { signature { name: "f100" input_arg { name: "x" type: DT_FLOAT }
      output_arg { name: "y" type: DT_FLOAT } } node_def { name: "n" op: "Neg" input: "x"
      attr { key: "T" value { type: DT_FLOAT } } } ret { key: "y" value: "n:y:0" } }"""
    tf.import_graph_def(graph(*functions, last), name="")
    with tf.Session() as sess:
        assert sess.run("z:0") == -1.0


@pytest.mark.parametrize("count", [2**31 - 1, 10**6])
def test_parts_without_bound(count):
    x = tf.placeholder(tf.float32)
    started, size = time.process_time(), len(tf.get_default_graph().get_operations())
    for build in (
        lambda: tf.split(x, count),
        lambda: tf.unstack(x, count),
        lambda: tf.dynamic_partition(x, tf.placeholder(tf.int32), count),
    ):
        with pytest.raises(ValueError, match="outputs"):
            build()
    assert time.process_time() - started < 2
    names = {op.type for op in tf.get_default_graph().get_operations()[size:]}
    assert names <= {"Placeholder", "Const"}


def test_widths_without_bound():
    with tf.Session() as sess, pytest.raises(tf.errors.ResourceExhaustedError, match="AsString"):
        sess.run(tf.as_string([1.0], width=2**31 - 1))


def small_graphs():
    with tf.Graph().as_default() as made:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        w = tf.get_variable("w", [3, 2])
        y = tf.nn.relu(tf.matmul(x, w))
        i = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2.0), [0, y])[1]
        z = tf.cond(tf.reduce_sum(i) > 0.0, lambda: i, lambda: -i)
        tf.strided_slice(z, [0, 0], [1, 1], name="s")
        tf.split(z, 2, 1)
    return made.as_graph_def()


@pytest.mark.parametrize("seed", range(8))
def test_mutated_graphs(seed):
    """Any change of a GraphDef is imported or refused with an error that the documentation names."""
    rng, source = random.Random(seed), small_graphs()
    for _ in range(25):
        data = bytearray(source.SerializeToString())
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            definition = protos.GraphDef.FromString(bytes(data))
        except Exception:  # not a message any more
            continue
        with tf.Graph().as_default() as fresh:
            try:
                tf.import_graph_def(definition, name="")
            except (ValueError, TypeError, tf.errors.OpError):
                assert not fresh.get_operations()


def test_imports_from_several_threads():
    definition, made = small_graphs(), tf.get_default_graph()
    failed = []

    def work():
        try:
            with made.as_default():
                tf.import_graph_def(definition)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({op.name for op in made.get_operations()}) == len(made.get_operations())


def test_a_node_without_its_type_is_refused() -> None:
    with tf.Graph().as_default() as graph:
        tf.negative(tf.constant(1.0), name="n")
        proto = graph.as_graph_def()
    del proto.node[-1].attr["T"]
    with tf.Graph().as_default(), pytest.raises(ValueError, match="node 'n'.* lacks the type attribute 'T'"):
        tf.import_graph_def(proto, name="")


def test_a_branch_of_another_type_fails_only_where_it_is_taken() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(True, name="p")
        tf.constant(1.5, name="x")
        proto = graph.as_graph_def()
    for name, dtype in (("same", tf.float32), ("other", tf.int32)):
        function = proto.library.function.add()
        function.signature.name = name
        function.signature.input_arg.add(name="a", type=tf.float32.as_datatype_enum)
        function.signature.output_arg.add(name="r", type=dtype.as_datatype_enum)
        node = function.node_def.add(name="m", op="Cast", input=["a"])
        node.attr["SrcT"].type, node.attr["DstT"].type = tf.float32.as_datatype_enum, dtype.as_datatype_enum
        function.ret["r"] = "m:y:0"
    for name, branches in (("good", ("same", "other")), ("bad", ("other", "same"))):
        node = proto.node.add(name=name, op="If", input=["p", "x"])
        node.attr["Tcond"].type = tf.bool.as_datatype_enum
        node.attr["Tin"].list.type.append(tf.float32.as_datatype_enum)
        node.attr["Tout"].list.type.append(tf.float32.as_datatype_enum)
        node.attr["then_branch"].func.name, node.attr["else_branch"].func.name = branches
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(proto, name="")
        assert sess.run("good:0") == 1.5
        with pytest.raises(tf.errors.InvalidArgumentError, match="DT_INT32_not_DT_FLOAT|result_0"):
            sess.run("bad:0")


def test_a_filled_constant_takes_memory_where_it_is_used_alone() -> None:
    with tf.Graph().as_default() as graph:
        tf.zeros([3], name="z")
        tf.constant(7.0, name="c")
        proto = graph.as_graph_def()
    node = next(n for n in proto.node if n.name == "z")
    node.attr["value"].tensor.ClearField("tensor_content")
    node.attr["value"].tensor.tensor_shape.dim[0].size = 1 << 40
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(proto, name="")
        assert sess.run("c:0") == 7.0
        with pytest.raises(tf.errors.ResourceExhaustedError):
            sess.run("z:0")
    node.attr["value"].tensor.float_val.extend([1.0, 2.0])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="do not become so many"):
        tf.import_graph_def(proto, name="")


@pytest.mark.parametrize("kind", [tf.float32, tf.as_dtype("float32_ref"), tf.int64, tf.string])
def test_a_constant_of_another_dtype_than_its_value(kind):
    node = tf.constant(1).op.node_def
    node.attr["value"].tensor.dtype = kind.as_datatype_enum
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Type mismatch between value and dtype"):
        tf.import_graph_def(tf.GraphDef(node=[node]))
