"""`tf.test`: test cases with assertions about arrays, tensors, messages and errors."""

# ruff: noqa: N802 - unittest's spelling
from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import random
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
from absl.testing import absltest

from millrace.core import errors
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.location import PACKAGE
from millrace.lib.testing.array_assertions import ArrayAssertions, tail
from millrace.session.devices import list_devices
from millrace.session.session import Session

_SEED = 87654321

public("test.mock")(mock)


def _placing(graph: Any, use_gpu: bool, force_gpu: bool) -> contextlib.AbstractContextManager[Any]:
    """Where a test's session puts what is built inside it."""
    if force_gpu:
        return graph.device(gpu_device_name() or "/device:GPU:0")
    return contextlib.nullcontext() if use_gpu else graph.device("/device:CPU:0")


class _TemporaryFolder:
    """The folder of this process, removed when it ends."""

    def __init__(self) -> None:
        self.path = ""

    def make(self) -> str:
        if not self.path:
            self.path = tempfile.mkdtemp(prefix="millrace_test_")
            atexit.register(shutil.rmtree, self.path, ignore_errors=True)
        return self.path


_folder = _TemporaryFolder()


@public("test.get_temp_dir")
def get_temp_dir() -> str:
    """A folder for files of tests, the same for the whole process, removed when it ends."""
    return _folder.make()


@public("test.test_src_dir_path")
def test_src_dir_path(relative_path: str) -> str:
    """The absolute path of a file that is named relative to the installed package's folder."""
    return os.path.join(PACKAGE, relative_path)


@public("test.is_gpu_available")
def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """True where JAX finds a GPU.

    Args:
      cuda_only: accepted for TensorFlow's form.
      min_cuda_compute_capability: accepted for TensorFlow's form.
    """
    return any(device.device_type == "GPU" for device in list_devices())


@public("test.gpu_device_name")
def gpu_device_name() -> str:
    """`/device:GPU:0` where there is a GPU, else an empty string."""
    return "/device:GPU:0" if is_gpu_available() else ""


def _has_plugin(kind: str) -> bool:
    names = [f"jax_{kind}{version}_plugin" for version in ("", "12", "13", "60", "7")]
    return any(importlib.util.find_spec(name) is not None for name in names)


@public("test.is_built_with_cuda")
def is_built_with_cuda() -> bool:
    """True where JAX's CUDA plugin is installed."""
    return _has_plugin("cuda")


@public("test.is_built_with_rocm")
def is_built_with_rocm() -> bool:
    """True where JAX's ROCm plugin is installed."""
    return _has_plugin("rocm")


@public("test.is_built_with_gpu_support")
def is_built_with_gpu_support() -> bool:
    """True where one of JAX's GPU plugins is installed."""
    return is_built_with_cuda() or is_built_with_rocm()


@public("test.main")
def main(argv: Any = None) -> None:
    """Runs all tests of the main module, and leaves the process with their status."""
    absltest.main(argv=sys.argv if argv is None else argv)


@public("test.assert_equal_graph_def")
def assert_equal_graph_def(
    actual: Any, expected: Any, checkpoint_v2: bool = False, hash_table_shared_name: bool = False
) -> None:
    """Asserts that two `GraphDef`s have the same nodes, whatever their order.

    Args:
      actual, expected: `GraphDef` messages.
      checkpoint_v2: ignore the random prefixes of checkpoints' names.
      hash_table_shared_name: ignore the random shared names of tables.

    Raises:
      AssertionError: they differ; says where first.
      TypeError: one is not a GraphDef.
    """
    for graph_def in (actual, expected):
        if not hasattr(graph_def, "node") or not hasattr(graph_def, "library"):
            raise TypeError(
                f"assert_equal_graph_def: both must be GraphDef messages. Received: {graph_def!r}"
            )
    mine, wanted = (
        {node.name: _plain(node, hash_table_shared_name) for node in g.node} for g in (actual, expected)
    )
    if checkpoint_v2:
        for nodes in (mine, wanted):
            for name, node in nodes.items():
                if node.op == "Const" and name.endswith("StringJoin/inputs_1"):
                    node.ClearField("attr")
    if mine.keys() != wanted.keys():
        raise AssertionError(
            f"GraphDefs differ: only in actual {sorted(mine.keys() - wanted.keys())}, only in expected "
            f"{sorted(wanted.keys() - mine.keys())}"
        )
    for name, node in wanted.items():
        if mine[name] != node:
            raise AssertionError(f"GraphDefs differ at node {name!r}: actual\n{mine[name]}expected\n{node}")


def _plain(node: Any, hash_table_shared_name: bool) -> Any:
    copied = type(node)()
    copied.CopyFrom(node)
    controls = sorted(name for name in copied.input if name.startswith("^"))
    data = [name for name in copied.input if not name.startswith("^")]
    copied.input[:] = data + controls
    if hash_table_shared_name and copied.op in ("HashTable", "HashTableV2"):
        copied.attr.pop("shared_name", None)
    return copied


class _CheckedThread:
    """A thread whose exception is raised where it is joined."""

    def __init__(self, target: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._error: BaseException | None = None

        def run() -> None:
            try:
                target(*(args or ()), **(kwargs or {}))
            except BaseException as error:  # raised again by join
                self._error = error

        self._thread = threading.Thread(target=run)

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    def join(self) -> None:
        """Waits for its end, and raises what ended it."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def is_alive(self) -> bool:
        """True while it runs."""
        return self._thread.is_alive()


@public("test.TestCase")
class TestCase(ArrayAssertions):
    """A test with a fresh default graph, fixed seeds, sessions, and assertions about what they compute."""

    # Of the class, for tests whose setUp does not call this one's.
    _cached_session: Session | None = None
    _cached_config: Any = None
    _temporary = ""

    def setUp(self) -> None:
        """Starts from an empty default graph and known seeds."""
        super().setUp()
        random.seed(_SEED)
        np.random.seed(_SEED)
        defaults.graph_stack.items.clear()  # also where a test starts while graphs are entered
        defaults.reset_default_graph()
        defaults.get_default_graph().seed = _SEED

    def tearDown(self) -> None:
        """Closes the cached session."""
        self._close_cached()
        super().tearDown()

    def _close_cached(self) -> None:
        if self._cached_session is not None:
            self._cached_session.close()
            self._cached_session = None

    # --- sessions -----------------------------------------------------------------------------------------

    def get_temp_dir(self) -> str:
        """A folder for this test alone."""
        if not self._temporary:
            self._temporary = tempfile.mkdtemp(dir=get_temp_dir())
        return self._temporary

    @contextlib.contextmanager
    def session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A new session as the default one; closed at the end.

        Args:
          graph: its graph; the default graph where absent.
          config: of the session.
          use_gpu: leave devices to the session; otherwise what is built inside is put on the CPU.
          force_gpu: put what is built inside on the GPU.
        """
        with Session(graph=graph, config=config) as session, _placing(session.graph, use_gpu, force_gpu):
            yield session

    @contextlib.contextmanager
    def cached_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """This test's own session as the default one; the same each time, closed with the test. Arguments as
        for `session`.

        Raises:
          ValueError: an earlier call had another graph or config.
        """
        if self._cached_session is None:
            self._cached_session, self._cached_config = Session(graph=graph, config=config), config
        session = self._cached_session
        if graph is not None and graph is not session.graph:
            raise ValueError("cached_session: the graph used to get the cached session is another one")
        if config is not None and config is not self._cached_config:
            raise ValueError("cached_session: the config used to get the cached session is another one")
        with session.graph.as_default(), session.as_default(), _placing(session.graph, use_gpu, force_gpu):
            yield session

    def test_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> contextlib.AbstractContextManager[Session]:
        """`cached_session` where no graph is given, else `session`."""
        if self.id().endswith(".test_session"):  # test runners take it for a test, by its name
            self.skipTest("not a test")
        chosen = self.cached_session if graph is None else self.session
        return chosen(graph, config, use_gpu, force_gpu)

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, by the default session or this test's own."""
        session = defaults.get_default_session()
        if session is not None:
            return session.run(tensors)
        with self.cached_session() as own:
            return own.run(tensors)

    # --- dtypes, shapes, texts, messages ------------------------------------------------------------------

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """Asserts the NumPy dtype of an array, or of a tensor's value."""
        self.assertEqual(self._array(target).dtype, np.dtype(expected_dtype))

    def assertShapeEqual(self, np_array: Any, tf_tensor: Any, msg: Any = None) -> None:
        """Asserts that a tensor's static shape is that of an array."""
        self.assertAllEqual(np.shape(np_array), tf_tensor.get_shape().as_list(), msg=msg)

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: Any = None) -> None:
        """Asserts that two device names mean the same device."""
        graph = defaults.get_default_graph()
        self.assertEqual(graph.device_name(device1), graph.device_name(device2), msg=msg)

    def assertStartsWith(self, actual: str, expected_start: str, msg: Any = None) -> None:
        """Asserts how a text begins."""
        if not actual.startswith(expected_start):
            self.fail(f"{actual!r} does not start with {expected_start!r}{tail(msg)}")

    def assertItemsEqual(self, first: Any, second: Any, msg: Any = None) -> None:
        """Asserts that two collections have the same elements, whatever their order."""
        self.assertCountEqual(first, second, msg)

    def assertProtoEquals(self, expected_message_maybe_ascii: Any, message: Any, msg: Any = None) -> None:
        """Asserts that two messages are equal; the expected one may be text."""
        expected = expected_message_maybe_ascii
        if isinstance(expected, str):
            from google.protobuf import text_format

            expected = text_format.Parse(expected, type(message)())
        self.assertEqual(expected, message, msg=msg)

    def assertProtoEqualsVersion(
        self, expected: str, actual: Any, producer: int = 134, min_consumer: int = 0, msg: Any = None
    ) -> None:
        """`assertProtoEquals` for a GraphDef, to whose text these versions are added."""
        versions = f"versions {{ producer: {producer} min_consumer: {min_consumer} }}"
        self.assertProtoEquals(f"{versions}\n{expected}", actual, msg=msg)

    # --- errors -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def assertRaisesWithPredicateMatch(
        self, exception_type: Any, expected_err_re_or_predicate: Any
    ) -> Iterator[None]:
        """Asserts that the block raises an exception whose text matches, or that a predicate accepts."""
        wanted = expected_err_re_or_predicate
        try:
            yield
        except exception_type as error:
            text = str(error.message if isinstance(error, errors.OpError) else error)
            if isinstance(error, errors.OpError) and error.op is not None:
                text = str(error)
            if not (wanted(error) if callable(wanted) else re.search(wanted, text)):
                raise AssertionError(
                    f"Exception of type {type(error)} does not match {wanted!r}: {text}"
                ) from error
            return
        self.fail(f"{exception_type!r} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """Asserts that the block raises a `tf.errors.OpError` that matches."""
        return self.assertRaisesWithPredicateMatch(errors.OpError, expected_err_re_or_predicate)

    def assertRaisesRegexp(
        self, expected_exception: Any, expected_regex: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """`assertRaisesRegex` by its old name."""
        return self.assertRaisesRegex(expected_exception, expected_regex, *args, **kwargs)

    # --- threads and streams ------------------------------------------------------------------------------

    def checkedThread(
        self, target: Callable[..., Any], args: Any = None, kwargs: Any = None
    ) -> _CheckedThread:
        """A thread (`start`, `join`) whose exception is raised by `join`."""
        return _CheckedThread(target, args, kwargs)

    @contextlib.contextmanager
    def captureWritesToStream(self, stream: Any) -> Iterator[Any]:
        """Collects what the block writes to a stream of the process; `.contents()` gives it."""
        number = stream.fileno()
        stream.flush()
        kept = os.dup(number)
        with tempfile.TemporaryFile("w+") as file:
            os.dup2(file.fileno(), number)
            try:
                yield _Captured(file, stream)
            finally:
                stream.flush()
                os.dup2(kept, number)
                os.close(kept)


class _Captured:
    """What was written so far."""

    def __init__(self, file: Any, stream: Any) -> None:
        self._file = file
        self._stream = stream

    def contents(self) -> str:
        """The text."""
        self._stream.flush()
        self._file.seek(0)
        return self._file.read()
