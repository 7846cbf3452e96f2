"""Decorators and `with` blocks of TensorFlow's private `framework.test_util`, which tests of packages use."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

from millrace.building.scopes import device as on_device
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.lib.testing.test_case import gpu_device_name, is_built_with_cuda, is_gpu_available

_Method = Callable[..., Any]

# --- which tests run ----------------------------------------------------------------------------------------


@public(
    "python.framework.test_util.deprecated_graph_mode_only", "python.framework.test_util.run_deprecated_v1"
)
def deprecated_graph_mode_only(func: Any = None) -> Any:
    """A test method, or a class of tests, that is about graphs: it runs, for there is no other mode.

    Args:
      func: the method or class; None: a decorator is returned.
    """
    return deprecated_graph_mode_only if func is None else func


@public("python.framework.test_util.run_v1_only")
def run_v1_only(reason: str, func: Any = None) -> Any:
    """A test method, or a class of tests, that is about TensorFlow 1: it runs.

    Args:
      reason: why it is not about version 2.
      func: the method or class; None: a decorator is returned.

    Raises:
      ValueError: the reason is no string, as where the parentheses were forgotten.
    """
    if not isinstance(reason, str):
        raise ValueError(f"'reason' should be string, got {type(reason)}")
    return functools.partial(run_v1_only, reason) if func is None else func


def _skipping(func: Any, unless: Callable[[], bool], why: str) -> Any:
    def decorate(method: _Method) -> _Method:
        @functools.wraps(method)
        def tested(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not unless():
                self.skipTest(why)
            return method(self, *args, **kwargs)

        return tested

    return decorate if func is None else decorate(func)


@public("python.framework.test_util.run_v2_only")
def run_v2_only(func: Any = None) -> Any:
    """A test method about TensorFlow 2, which is skipped; without a method, a decorator."""
    return _skipping(func, lambda: False, "Test is only compatible with v2")


@public("python.framework.test_util.run_gpu_only")
def run_gpu_only(func: Any = None) -> Any:
    """A test method that is skipped where there is no GPU; without a method, a decorator."""
    return _skipping(func, is_gpu_available, "Test requires GPU")


@public("python.framework.test_util.run_cuda_only")
def run_cuda_only(func: Any = None) -> Any:
    """A test method that is skipped where there is no GPU with CUDA; without a method, a decorator."""
    return _skipping(func, lambda: is_built_with_cuda() and is_gpu_available(), "Test requires CUDA GPU")


@public("python.framework.test_util.skip_if")
def skip_if(condition: Any) -> Callable[[_Method], _Method]:
    """A decorator of test methods that do nothing where `condition`, a value or a function, holds."""

    def decorate(method: _Method) -> _Method:
        @functools.wraps(method)
        def tested(*args: Any, **kwargs: Any) -> Any:
            if condition() if callable(condition) else condition:
                return None
            return method(*args, **kwargs)

        return tested

    return decorate


@public(
    "python.framework.test_util.disable_xla",
    "python.framework.test_util.no_xla_auto_jit",
    "python.framework.test_util.xla_allow_fallback",
    "python.framework.test_util.enable_tf_xla_constant_folding",
)
def whatever_xla_does(description: str) -> Callable[[Any], Any]:
    """A decorator that changes nothing: XLA takes no graph over that was not given to it.

    Args:
      description: why a test says something about XLA.
    """
    del description
    return lambda method: method


# --- control flow -------------------------------------------------------------------------------------------


@public(
    "python.framework.test_util.enable_control_flow_v2",
    "python.framework.test_util.enable_c_shapes",
    "python.framework.test_util.with_c_shapes",
    "python.framework.test_util.enable_output_all_intermediates",
)
def as_ever(fn: Any) -> Any:
    """A test as it is: branches and loops have one form, and so have shape functions."""
    return fn


@public("python.framework.test_util.disable_control_flow_v2")
def disable_control_flow_v2(unused_msg: str) -> Callable[[Any], Any]:
    """A decorator of test methods that `with_control_flow_v2` does not repeat.

    Args:
      unused_msg: why not.
    """

    def decorate(func: Any) -> Any:
        func._disable_control_flow_v2 = True
        return func

    return decorate


@public("python.framework.test_util.with_control_flow_v2")
def with_control_flow_v2(cls: Any) -> Any:
    """Adds to a class of tests each of its methods once more, as `<method>WithControlFlowV2`."""
    for name, method in list(vars(cls).items()):
        if _is_test(name, method) and not getattr(method, "_disable_control_flow_v2", False):
            setattr(cls, f"{name}WithControlFlowV2", method)
    return cls


@public("python.framework.test_util.for_all_test_methods")
def for_all_test_methods(decorator: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """A decorator of classes: `decorator(*args, **kwargs)` around each test method."""

    def decorate(cls: Any) -> Any:
        for name, method in list(vars(cls).items()):
            if _is_test(name, method):
                setattr(cls, name, decorator(*args, **kwargs)(method))
        return cls

    return decorate


def _is_test(name: str, method: Any) -> bool:
    return callable(method) and name.startswith("test") and name != "test_session"


# --- what a test leaves behind ------------------------------------------------------------------------------


@public("python.framework.test_util.assert_no_new_tensors")
def assert_no_new_tensors(f: _Method) -> _Method:
    """A test method, run in a graph of its own, after which no tensor may be left that it has made."""

    @functools.wraps(f)
    def tested(self: Any, **kwargs: Any) -> Any:
        gc.collect()
        before = {id(x) for x in gc.get_objects() if isinstance(x, Tensor)}
        with Graph().as_default() as graph:
            result = f(self, **kwargs)
        del graph
        gc.collect()
        left = [x for x in gc.get_objects() if isinstance(x, Tensor) and id(x) not in before]
        if left:
            raise AssertionError(f"{len(left)} Tensors not deallocated after test: {left}")
        return result

    return tested


@public("python.framework.test_util.assert_no_garbage_created")
def assert_no_garbage_created(f: _Method) -> _Method:
    """A test method that may leave no objects which refer to one another in a circle."""

    @functools.wraps(f)
    def tested(self: Any, **kwargs: Any) -> Any:
        gc.collect()
        flags, had = gc.get_debug(), len(gc.garbage)
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            result = f(self, **kwargs)
            gc.collect()
            left = gc.garbage[had:]
            self.assertEqual(had, had + len(left), f"left behind: {[type(x).__name__ for x in left[:8]]}")
        finally:
            gc.set_debug(flags)
            del gc.garbage[had:]
        return result

    return tested


@public("python.framework.test_util.use_deterministic_cudnn")
def use_deterministic_cudnn(func: _Method) -> _Method:
    """A test method that runs with TF_CUDNN_DETERMINISTIC set."""

    @functools.wraps(func)
    def tested(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = os.environ.get("TF_CUDNN_DETERMINISTIC", "")
        os.environ["TF_CUDNN_DETERMINISTIC"] = "true"
        try:
            return func(self, *args, **kwargs)
        finally:
            os.environ["TF_CUDNN_DETERMINISTIC"] = before

    return tested


# --- devices ------------------------------------------------------------------------------------------------


@public("python.framework.test_util.device")
@contextlib.contextmanager
def device(use_gpu: bool) -> Iterator[None]:
    """A `with` that puts operations on the GPU where that is asked for and there is one, else on the CPU."""
    found = gpu_device_name() if use_gpu else ""
    with on_device(found or "/device:CPU:0"):
        yield


@public("python.framework.test_util.use_gpu")
@contextlib.contextmanager
def use_gpu() -> Iterator[None]:
    """A `with` that puts operations on the GPU where there is one."""
    with device(use_gpu=True):
        yield


@public("python.framework.test_util.force_gpu")
@contextlib.contextmanager
def force_gpu() -> Iterator[None]:
    """A `with` that puts operations on the GPU."""
    with on_device("/device:GPU:0"):
        yield


@public("python.framework.test_util.force_cpu")
@contextlib.contextmanager
def force_cpu() -> Iterator[None]:
    """A `with` that puts operations on the CPU."""
    with on_device("/device:CPU:0"):
        yield
