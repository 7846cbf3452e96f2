"""What tests take from TensorFlow's private `framework.test_util` for graphs and layouts of images."""

# ruff: noqa: N802 - TensorFlow's spelling
from __future__ import annotations

import collections
import faulthandler
import itertools
import logging
from typing import Any

from millrace.core import errors, protos
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.lib.testing.test_case import assert_equal_graph_def, is_built_with_cuda, is_built_with_rocm
from millrace.ops.array.reshape import reshape, transpose
from millrace.session.session import Session

_log = logging.getLogger("tensorflow")

public("python.framework.test_util.assert_equal_graph_def")(assert_equal_graph_def)
public("python.framework.test_util.IsGoogleCudaEnabled")(is_built_with_cuda)
public("python.framework.test_util.IsBuiltWithROCm")(is_built_with_rocm)

# --- what there is ------------------------------------------------------------------------------------------


@public(
    "python.framework.test_util.is_xla_enabled",
    "python.framework.test_util.IsMklEnabled",
    "python.framework.test_util.GpuSupportsHalfMatMulAndConv",
)
def is_asked_for() -> bool:
    """False: XLA takes over no graph by itself, MKL has no kernels of its own, nor has a GPU."""
    return False


@public("python.framework.test_util.InstallStackTraceHandler")
def InstallStackTraceHandler() -> None:
    """Has Python print its stack when the process crashes."""
    faulthandler.enable()


# --- graphs -------------------------------------------------------------------------------------------------


@public("python.framework.test_util.assert_ops_in_graph")
def assert_ops_in_graph(expected_ops: dict[str, str], graph: Graph) -> dict[str, Any]:
    """The nodes that are expected, by name.

    Args:
      expected_ops: the type of each operation by name.
      graph: where they should be.

    Raises:
      ValueError: one is missing or of another type.
    """
    found: dict[str, Any] = {}
    for node in graph.as_graph_def().node:
        if node.name in expected_ops:
            if expected_ops[node.name] != node.op:
                raise ValueError(
                    f"Expected op for node {node.name} is different. {expected_ops[node.name]} vs {node.op}"
                )
            found[node.name] = node
    if set(expected_ops) != set(found):
        raise ValueError(
            f"Not all expected ops are present. Expected {expected_ops.keys()}, found {found.keys()}"
        )
    return found


@public("python.framework.test_util.get_node_def_from_graph")
def get_node_def_from_graph(node_name: str, graph_def: Any) -> Any:
    """The node of that name in a GraphDef; None: there is none."""
    return next((node for node in graph_def.node if node.name == node_name), None)


@public("python.framework.test_util.assert_meta_graph_protos_equal")
def assert_meta_graph_protos_equal(tester: Any, a: Any, b: Any) -> None:
    """Asserts that two MetaGraphDefs are equal, whatever the order of their collections.

    Args:
      tester: a `tf.test.TestCase`.
      a, b: the messages.
    """
    tester.assertEqual(sorted(a.collection_def), sorted(b.collection_def))
    for key, mine in a.collection_def.items():
        tester.assertEqual(mine, b.collection_def[key], f"collection {key!r}")
    plain = [protos.MetaGraphDef.FromString(each.SerializeToString()) for each in (a, b)]
    for each in plain:
        each.ClearField("collection_def")
    tester.assertProtoEquals(plain[0], plain[1])


@public("python.framework.test_util.ErrorLoggingSession")
class ErrorLoggingSession(Session):
    """A session that logs the errors of its runs, but for the end of what a queue or dataset gives."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """`tf.Session.run`."""
        try:
            return super().run(*args, **kwargs)
        except Exception as error:
            if not isinstance(error, errors.OutOfRangeError):
                _log.error("%s", error)
            raise


# --- combinations of arguments ------------------------------------------------------------------------------


@public("python.framework.test_util._combine_named_parameters")
def combine_named_parameters(**kwargs: Any) -> list[collections.OrderedDict[str, Any]]:
    """Every combination of the values that arguments may have; a value that is no list stands for itself."""
    keys = sorted(kwargs)
    values = [kwargs[key] if isinstance(kwargs[key], list) else [kwargs[key]] for key in keys]
    return [collections.OrderedDict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*values)]


@public("python.framework.test_util.generate_combinations_with_testcase_name")
def generate_combinations_with_testcase_name(**kwargs: Any) -> list[collections.OrderedDict[str, Any]]:
    """Every combination of arguments, with a `testcase_name` made from them, for parameterized tests."""
    found: list[collections.OrderedDict[str, Any]] = []
    for combination in combine_named_parameters(**kwargs):
        name = "".join(
            f"_{''.join(filter(str.isalnum, key))}_{''.join(filter(str.isalnum, str(value)))}"
            for key, value in combination.items()
        )
        found.append(collections.OrderedDict([*combination.items(), ("testcase_name", f"_test{name}")]))
    return found


# --- layouts of images --------------------------------------------------------------------------------------


def _turned(given: Any, orders: dict[int, list[int]]) -> Any:
    """A tensor with its axes in another order, or a shape, as a list, likewise."""
    if isinstance(given, Tensor):
        assert given.dims is not None
        return transpose(given, orders[len(given.dims)])
    return [given[axis] for axis in orders[len(given)]]


@public("python.framework.test_util.NHWCToNCHW")
def NHWCToNCHW(input_tensor: Any) -> Any:
    """A tensor of rank 4 or 5, or the list of its sizes, with the channels moved from the end to axis 1."""
    return _turned(input_tensor, {4: [0, 3, 1, 2], 5: [0, 4, 1, 2, 3]})


@public("python.framework.test_util.NCHWToNHWC")
def NCHWToNHWC(input_tensor: Any) -> Any:
    """A tensor of rank 4 or 5, or the list of its sizes, with the channels moved from axis 1 to the end."""
    return _turned(input_tensor, {4: [0, 2, 3, 1], 5: [0, 2, 3, 4, 1]})


@public("python.framework.test_util.NHWCToNCHW_VECT_C")
def NHWCToNCHW_VECT_C(input_shape_or_tensor: Any) -> Any:
    """As `NHWCToNCHW`, with four channels at a time on an axis behind the others.

    Raises:
      ValueError: the number of channels is no multiple of 4.
    """
    is_tensor = isinstance(input_shape_or_tensor, Tensor)
    sizes: list[Any] = list(input_shape_or_tensor.dims or ()) if is_tensor else list(input_shape_or_tensor)
    if sizes[-1] % 4 != 0:
        raise ValueError("Last dimension of input must be evenly divisible by 4 to convert to NCHW_VECT_C.")
    sizes = [*sizes[:-1], sizes[-1] // 4, 4]
    given = reshape(input_shape_or_tensor, sizes) if is_tensor else sizes
    return _turned(given, {5: [0, 3, 1, 2, 4], 6: [0, 4, 1, 2, 3, 5]})


@public("python.framework.test_util.NCHW_VECT_CToNHWC")
def NCHW_VECT_CToNHWC(input_shape_or_tensor: Any) -> Any:
    """The inverse of `NHWCToNCHW_VECT_C`.

    Raises:
      ValueError: the last axis has not four channels.
    """
    is_tensor = isinstance(input_shape_or_tensor, Tensor)
    sizes: list[Any] = list(input_shape_or_tensor.dims or ()) if is_tensor else list(input_shape_or_tensor)
    if sizes[-1] != 4:
        raise ValueError("Last dimension of NCHW_VECT_C must be 4.")
    turned = _turned(input_shape_or_tensor, {5: [0, 2, 3, 1, 4], 6: [0, 2, 3, 4, 1, 5]})
    found = list(turned.dims) if is_tensor else turned
    sizes = [*found[:-2], found[-2] * found[-1]]
    return reshape(turned, sizes) if is_tensor else sizes
