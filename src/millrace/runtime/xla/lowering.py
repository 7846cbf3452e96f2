"""The compiled tier: the steps of a segment are traced into one XLA program through JAX.

While tracing, a step whose inputs are all known runs on NumPy, so that shape arithmetic leaves nothing
behind; any other runs the same kernel, or its `xla` recipe, on JAX's tracers. This module imports jax;
nothing imports it before a plan is worth compiling.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from millrace.dialect import jax_dialect, numpy_dialect
from millrace.dialect.jax.control import Checks, Uncompilable
from millrace.graph.operation import group
from millrace.runtime.plan.borders import BodyUse
from millrace.runtime.plan.planner import Plan, Step, body_cells, with_bodies
from millrace.runtime.plan.simplify import body_form
from millrace.runtime.xla.layers import Layer, computed
from millrace.runtime.xla.rounds import Following, is_known
from millrace.runtime.xla.sums import Sum, added

_UNIFORM = ("RandomUniform", "StatelessRandomUniform")


def accelerators() -> list[tuple[str, int, int]]:
    """Kind ("GPU", "TPU"), number and bytes of memory of each device that is not the CPU."""
    found = []
    for device in jax.devices():
        if device.platform != "cpu":
            kind = "GPU" if device.platform in ("gpu", "cuda", "rocm") else device.platform.upper()
            limit = (device.memory_stats() or {}).get("bytes_limit", 0)
            found.append((kind, device.id, limit))
    return found


def pure_function(plan: Plan) -> Callable[[Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any]]]:
    """A plan as a function for JAX to transform: (values fed, values of the cells) -> (fetches, new
    cells).
    """

    def run(feeds: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        env: dict[int, Any] = dict(plan.constants)
        env.update(zip(plan.feeds, jax.tree.map(jax.numpy.asarray, list(feeds)), strict=True))
        initial = [use.initial for use in plan.cells]
        env.update(zip(initial, jax.tree.map(jax.numpy.asarray, list(cells)), strict=True))
        with jax.default_matmul_precision("highest"), Checks() as checks:
            run_steps(plan.steps, env, checks)
        outputs = [None if v < 0 else as_output(env[v]) for v in plan.fetches]
        return outputs, [as_output(env[use.final]) for use in plan.cells]

    return run


def stablehlo(function: Callable[..., Any], *args: Any) -> str:
    """The program that `function` is for arguments like `args`, as text."""
    with jax.enable_x64(True):
        return jax.jit(function).lower(*args).as_text()


def as_output(value: Any) -> Any:
    """`value` as an array of JAX, also where it was known while tracing."""
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, jax.Array) else jax.numpy.asarray(leaf), value)


def run_steps(
    steps: Sequence[Step],
    env: dict[int, Any],
    checks: Checks,
    shared: frozenset[int] = frozenset(),
    after: Mapping[int, tuple[int, list[int]]] | None = None,
    joined: Mapping[int, Layer] | None = None,
    summed: Mapping[int, Sum] | None = None,
) -> None:
    """Runs steps on a mixture of known NumPy values and tracers; results go into `env`.

    Args:
      steps: in execution order.
      env: value id -> value.
      checks: told the operation of each step.
      shared: values that are computed once, behind a barrier, however many steps take them.
      after: the value a step gives a variable -> which of its inputs the variable is, and values that are
        to be computed before it changes.
      joined: product -> the dense layer that begins with it.
      summed: result -> the sum of products that it is.
    """
    shared |= _rounded(steps)
    summed = summed or {}
    done = {product.outputs[0] for found in summed.values() for product in found.products}
    for step in steps:
        checks.op, checks.room = step.op, step.room
        if not done.isdisjoint(step.outputs):
            continue
        layer = joined.get(step.outputs[0]) if joined and step.outputs else None
        result = None if layer is None else computed(layer, step, env)
        if layer is not None and result is not None:
            env.update(dict.fromkeys(layer.results, result))  # of which only the last is asked for its value
            done.update(layer.results[1:])
            continue
        if step.outputs and step.outputs[0] in summed:
            env[step.outputs[0]] = added(summed[step.outputs[0]], env)
            continue
        inputs = [env[v] for v in step.inputs]
        state = [env[v] for v in step.state]
        if after and step.new_state and step.new_state[0] in after:
            place, others = after[step.new_state[0]]
            before = [env[v] for v in others if v in env]
            inputs[place] = jax.lax.optimization_barrier((inputs[place], *before))[0]
        for value, result in results_of(step, call(step, inputs, state)):
            if value in shared and isinstance(result, Tracer):
                result = jax.lax.optimization_barrier(result)
            env[value] = result


def _rounded(steps: Sequence[Step]) -> frozenset[int]:
    """Uniform numbers times a range: rounded before the start is added, which XLA would do in one step.

    So random numbers are the interpreter's to the last bit.
    """
    uniform: set[int] = set()
    found = []
    for step in steps:
        if step.op.type in _UNIFORM:
            uniform.update(step.outputs)
        elif step.op.type == "Mul" and not uniform.isdisjoint(step.inputs):
            found.extend(step.outputs)
    return frozenset(found)


def call(step: Step, inputs: list[Any], state: list[Any]) -> Any:
    """Runs the kernel of one step."""
    op = step.op
    opdef = op.opdef
    args = group(opdef.inputs, inputs, op.attrs)
    if opdef.has_body:
        if state:
            args[-1] = (*args[-1], *state)
        attrs = {n: with_bodies(op.attrs[n], partial(BoundBody, step)) for n in opdef.kernel_attrs}
        assert opdef.kernel is not None
        return opdef.kernel(jax_dialect(), *args, **attrs)
    attrs = {n: op.attrs[n] for n in opdef.kernel_attrs}
    assert opdef.kernel is not None
    numbers = all(t.dtype.is_numpy_compatible for t in op.outputs)
    if opdef.pure and inputs and numbers and all(is_known(v) for v in inputs):
        return opdef.kernel(numpy_dialect(), *args, **attrs)
    if opdef.traced is not None:
        _check_traceable(step, inputs)
    kernel = opdef.xla or opdef.kernel
    return kernel(jax_dialect(), *state, *args, **attrs)


def _check_traceable(step: Step, inputs: list[Any]) -> None:
    """Sees to it that a recipe which can do with unknown bounds, of a kind, gets such a kind.

    For what stands in a body the plan cannot tell: it may be known there.

    Raises:
      Uncompilable: it does not.
    """
    op = step.op
    opdef = op.opdef
    assert opdef.traced is not None
    unknown = [
        arg.name
        for arg, values in zip(opdef.inputs, group(opdef.inputs, inputs, op.attrs), strict=True)
        if arg.name in opdef.static
        and not all(is_known(v) for v in (values if isinstance(values, tuple) else (values,)))
    ]
    if unknown:
        dims = [tuple(np.shape(v)) for v in inputs]
        values = [np.asarray(v) if is_known(v) else None for v in inputs]
        if not opdef.traced(dims, values, op.attrs):
            raise Uncompilable(f"{op.type} '{op.name}' has a shape that depends on the value of {unknown}")


def results_of(step: Step, result: Any) -> list[tuple[int, Any]]:
    """Pairs of value id and value for what a kernel returned, taken apart as the declaration says."""
    op = step.op
    opdef = op.opdef
    if opdef.has_body:
        return list(zip(step.makes, result, strict=True))
    if opdef.writes:
        order = step.new_state + [v for v in step.outputs if v not in step.new_state]
        return [(order[0], result)] if len(order) == 1 else list(zip(order, result, strict=True))
    if step.new_state:
        *parts, last = result
        found = [(step.new_state[0], last)]
    else:
        parts = [result] if len(opdef.outputs) == 1 else list(result)
        found = []
    for ids, part in zip(group(opdef.outputs, step.outputs, op.attrs), parts, strict=False):
        if isinstance(ids, tuple):
            found.extend(zip(ids, part, strict=True))
        else:
            found.append((ids, part))
    return found


class BoundBody:
    """A function of the arguments, the captured values, then the cells of an operation's bodies; see
    `interpret.bind_body`.

    Attributes:
      stacks: how many of the results a loop stacks.
    """

    def __init__(self, step: Step, body: BodyUse) -> None:
        self._plan = body_form(step.op, body, step.dims)
        self._keys = list(body_cells(step.op))
        self._own = {use.key: use for use in self._plan.cells}
        self.stacks = len(self._plan.fetches) - step.op.attrs.get("carried", 0)

    def __call__(self, *args: Any) -> list[Any]:
        """The outputs, then the cells' next values."""
        env = dict(self._plan.constants) | self._entered(args)
        _run(self._plan.steps, env)
        return self._results(env, args)

    def following(self, fixed: slice) -> Following:
        """The same, to be run round after round on what is known; `fixed` are its captured arguments."""
        return Following(self._plan.steps, self._plan.constants, self._entered, self._results, _run, fixed)

    def _entered(self, args: Sequence[Any]) -> dict[int, Any]:
        count = len(self._plan.feeds)
        env: dict[int, Any] = dict(zip(self._plan.feeds, args[:count], strict=True))
        for key, value in zip(self._keys, args[count:], strict=True):
            if key in self._own:
                env[self._own[key].initial] = value
        return env

    def _results(self, env: dict[int, Any], args: Sequence[Any]) -> list[Any]:
        cells = zip(self._keys, args[len(self._plan.feeds) :], strict=True)
        last = [env[self._own[key].final] if key in self._own else value for key, value in cells]
        return [env[v] for v in self._plan.fetches] + last


def _run(steps: Sequence[Step], env: dict[int, Any]) -> None:
    run_steps(steps, env, Checks.current())
