"""`Program`: a segment as one XLA executable, its checks, the memory it takes over, and where it comes from.

- **Checks.** What can fail in a program (a label out of range) is computed beside its results. Where that
  needs only a few small steps, they are a program of their own, the guard, which runs first; then the program
  itself may take the variables' memory over, since nothing in it can fail any more. Otherwise the old values
  are kept.
- **Barriers.** XLA's CPU fusion computes a value again in each of its consumers. A value with several
  consumers is put behind an `optimization_barrier`, see `_shared`.
- **Executables** are kept in the user's cache folder, see `cache`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend import core as jax_core

from millrace.core import shapes
from millrace.core.progress import long_work
from millrace.dialect.jax.control import Checks, Uncompilable
from millrace.graph.operation import Operation
from millrace.runtime.commit import held
from millrace.runtime.plan import bounds, cost
from millrace.runtime.plan.planner import Plan
from millrace.runtime.plan.segments import Segment
from millrace.runtime.xla import native as xla_native
from millrace.runtime.xla.collector import keep_interrupts
from millrace.runtime.xla.executables import Kept, compiled_for
from millrace.runtime.xla.guard import Guard, raise_failed
from millrace.runtime.xla.layers import layers
from millrace.runtime.xla.loops import has_loops, with_fast_loops
from millrace.runtime.xla.lowering import as_output, run_steps
from millrace.runtime.xla.native_products import with_native_products
from millrace.runtime.xla.packing import with_packed_matrices
from millrace.runtime.xla.precision import with_64_bits
from millrace.runtime.xla.sums import sums

_LEAST_GUARDED = 4096  # bytes: a guard costs more than it saves where all variables are smaller
_LEAST_SHARED = 1 << 16  # elements: what is smaller stays in the cache of the processor
_GAIN = (
    4  # reads saved that make a store worthwhile: a transformer's step 217 ms; 222 with 0, 224 without any
)
_MOST_REPEATED = 6  # steps computed again rather than kept
_LEAST_KEPT = 1 << 10  # elements: what is smaller costs more to store than to compute
# fmt: off
_FUSED = frozenset((
    "Abs", "Add", "AddN", "AddV2", "BiasAdd", "BroadcastTo", "Cast", "Div", "Equal", "ExpandDims", "Fill",
    "Greater", "GreaterEqual", "Identity", "Inv", "Less", "LessEqual", "LogicalAnd", "LogicalNot",
    "LogicalOr", "Maximum", "Minimum", "Mul", "Neg", "NotEqual", "RealDiv", "Reciprocal", "Relu", "Relu6",
    "Relu6Grad", "ReluGrad", "Reshape", "Rsqrt", "RsqrtGrad", "Select", "SelectV2", "SigmoidGrad", "Sign",
    "Sqrt", "SqrtGrad", "Square", "SquaredDifference", "Squeeze", "StopGradient", "Sub", "TanhGrad",
    "Tile", "Transpose",
))  # what XLA computes again in each consumer
# fmt: on
_READERS = ("MatMul", "BatchMatMul", "Conv", "DepthwiseConv")
_MOST_SHAPES = 16  # of what reaches a program from host steps; fed shapes have plans of their own


class Program:
    """A segment, ready to be called with values in the order of its inputs; gives those of its outputs."""

    def __init__(self, segment: Segment, plan: Plan, small: frozenset[Operation] = frozenset()) -> None:
        keep_interrupts()
        self._segment = segment
        self._plan = plan
        self._small = small
        self._shared = _shared(segment, plan)
        self._after = _after(segment)
        self._layers = layers(segment.steps, segment.outputs, plan)
        self._sums = sums(segment.steps, segment.outputs, plan, segment.donated)
        self._forms: dict[Any, _Executable] = {}
        self._form: _Executable | None = None

    def __call__(self, kept: list[Any] | None, *values: Any) -> Sequence[Any]:
        """The outputs for values of the inputs.

        Args:
          kept: gets the outputs as soon as the program has taken the memory of inputs over, so that they are
            there even where a signal ends this call; None where it takes nothing.

        Raises:
          OpError: a check does not hold; the variables are as they were.
        """
        return with_64_bits(self._call, kept, values)

    def _call(self, kept: list[Any] | None, values: tuple[Any, ...]) -> Sequence[Any]:
        form = self._form or self._form_for(values)
        try:
            return form(kept, values)
        except TypeError:  # a variable has another shape or type than at the last call
            other = self._form_for(values)
            if other is form or kept:
                raise
        return other(kept, values)

    def _form_for(self, values: Sequence[Any]) -> _Executable:
        leaves, tree = jax.tree.flatten(list(values))
        key = (tree, tuple((np.shape(v), jax.numpy.result_type(v)) for v in leaves))
        if key not in self._forms:
            if len(self._forms) >= _MOST_SHAPES:
                raise Uncompilable(
                    f"its inputs had {_MOST_SHAPES} shapes already, each with a program of its own "
                    "(give it fewer, by padding)"
                )
            self._forms[key] = self._build(values)
        self._form = self._forms[key]
        return self._form

    def _build(self, values: Sequence[Any]) -> _Executable:
        size, seconds = cost.compiling(self._segment.steps)
        with (
            long_work(f"compiling {size} operations", seconds),
            warnings.catch_warnings(),
        ):
            # a variable that gets another shape cannot hand its memory on, which JAX warns of
            warnings.filterwarnings("ignore", "Some donated buffers")
            return self._compiled(values)

    def _compiled(self, values: Sequence[Any]) -> _Executable:
        checks = Checks()
        # also small ones: 600 variables of 16 x 16 and 16 numbers take 2.7 ms a step, those given anew 3.6
        donated = tuple(i for i, v in enumerate(self._segment.inputs) if v in self._segment.donated)
        large = any(getattr(values[i], "nbytes", 0) >= _LEAST_GUARDED for i in donated)
        traced = jax.jit(partial(self._trace, checks), donate_argnums=donated).trace(*values)
        gives = bool(donated)
        program = with_fast_loops(traced.jaxpr)
        with checks:
            if has_loops(program):
                program = with_native_products(program)
            program = with_packed_matrices(program)
        if not checks.rows and program is traced.jaxpr:
            return _Executable(compiled_for(traced.lower()), None, None, gives)

        def lowered(which: slice, donated: tuple[int, ...]) -> Any:
            return jax.jit(_partial(program, traced.out_tree, which), donate_argnums=donated).lower(*values)

        if not checks.rows:
            return _Executable(compiled_for(lowered(slice(None), donated)), None, None, gives)
        args = jax.tree.unflatten(traced.in_tree, program.jaxpr.invars)[0]
        guard = Guard.of(program, args, checks.rows) if large else None
        if guard is None:
            return _Executable(compiled_for(lowered(slice(None), ())), None, checks, False)
        return _Executable(compiled_for(lowered(slice(0, -1), donated)), guard, None, gives)

    def _trace(self, checks: Checks, *values: Any) -> list[Any]:
        segment = self._segment
        env: dict[int, Any] = dict(self._plan.constants)
        env.update(zip(segment.inputs, values, strict=True))
        checks.small = self._small
        checks.native = xla_native.ready
        with jax.default_matmul_precision("highest"), checks:
            run_steps(segment.steps, env, checks, self._shared, self._after, self._layers, self._sums)
        results = [as_output(env[v]) for v in segment.outputs]
        if checks.rows:
            results.append(jax.numpy.stack([jax.numpy.all(held) for held in checks.holds]))
        return results


class _Careful:
    """A program with the recipe for small angles, and one without for when what is fed is large."""

    def __init__(self, segment: Segment, plan: Plan, small: frozenset[Operation], fed: list[int]) -> None:
        self._places = [segment.inputs.index(v) for v in fed]
        self._fast = Program(segment, plan, small)
        self._exact = Program(segment, plan)
        self._fits = Kept(_all_fit)

    def __call__(self, kept: list[Any] | None, *values: Any) -> Sequence[Any]:
        fits = not self._places or with_64_bits(self._all_fit, values)
        return (self._fast if fits else self._exact)(kept, *values)

    def _all_fit(self, values: tuple[Any, ...]) -> bool:
        return bool(self._fits(*[values[i] for i in self._places]))


def _all_fit(*xs: Any) -> Any:
    largest = [jax.numpy.max(jax.numpy.abs(x), initial=0) for x in xs]
    return jax.numpy.all(jax.numpy.stack([x <= bounds.ASSUMED for x in largest]))


def program_for(segment: Segment, plan: Plan) -> Callable[..., Sequence[Any]]:
    """The program of a segment."""
    small, fed = bounds.small_angles(segment, plan)
    return _Careful(segment, plan, small, fed) if small else Program(segment, plan)


def placed(value: Any) -> Any:
    """An array of the host where programs take it from without a copy."""
    return with_64_bits(jax.device_put, value)


class _Executable:
    """A compiled program for values of one kind, and how it tells that something was not allowed."""

    def __init__(
        self, compiled: Callable[..., Any], guard: Guard | None, checks: Checks | None, gives: bool
    ) -> None:
        self.compiled: Any = compiled
        self.guard = guard
        self._checks = checks.rows if checks is not None else []
        self._gives = gives
        self._direct: Any = None

    def __call__(self, kept: list[Any] | None, values: Sequence[Any]) -> Sequence[Any]:
        if self.guard is not None:
            self.guard(values)
        if kept is not None and self._gives:
            if self._direct is not None:  # one call into C: no signal comes between the call and the list
                kept.extend(map(self._direct, *zip(values)))
            else:
                self._first_calls(kept, values)
            results = kept[0]
        else:
            results = self.compiled(*values)
        if results and any(type(value) is np.ndarray for value in values):
            # XLA reads a fed array while it runs, and afterwards it is the caller's to change.
            first = results[0]
            first.block_until_ready() if isinstance(first, jax.Array) else jax.block_until_ready(first)
        if self._checks:
            raise_failed(self._checks, results.pop())
        return results

    def _first_calls(self, kept: list[Any], values: Sequence[Any]) -> None:
        """Calls the program with signals held, until JAX has all it needs for calls without Python code."""
        known = _known_calls(self.compiled)
        with held():
            kept.append(self.compiled(*values))
        if known and known == _known_calls(self.compiled):
            self._direct = self.compiled._call


def _known_calls(compiled: Any) -> int:
    """For how many kinds of arguments JAX calls the program without Python code; 0 where it does not tell."""
    count = getattr(getattr(compiled, "_call", None), "_cache_size", None)
    return count() if count is not None else 0


def _partial(program: Any, tree: Any, which: slice) -> Callable[..., Any]:
    """A closed jaxpr as a function that gives only the results `which`; it is not traced again."""
    whole = jax_core.jaxpr_as_fun(program)

    def function(*values: Any) -> Any:
        return jax.tree.unflatten(tree, whole(*jax.tree.leaves(values)))[which]

    return function


def _shared(segment: Segment, plan: Plan) -> frozenset[int]:
    """The values that are better kept than computed again in each step that takes them.

    A fusion that takes such a value reads the stored values behind it, its leaves, and repeats the steps
    between. Storing it too costs reading the leaves once and writing; then each consumer reads one value.
    Large values are kept for the reads, small ones for the steps: fusions of an unrolled LSTM repeat those of
    all time steps before, and 28 of them took 24 ms and 7 s to compile, with barriers 14 ms and 2.2 s.
    """
    if jax.default_backend() != "cpu":
        return frozenset()
    if not any(step.op.type.startswith(_READERS) for step in segment.steps):
        return frozenset()  # elementwise chains fuse whole: thirty sines take 77 ms, with barriers 286
    uses = Counter(itertools.chain.from_iterable(set(step.inputs) for step in segment.steps))
    uses.update(segment.outputs)
    leaves: dict[int, frozenset[int]] = {}
    repeated: dict[int, frozenset[int]] = {}  # the steps, by their places, that a fusion with it repeats
    found = set()

    def elements(value: int) -> int:
        return shapes.num_elements(plan.dims.get(value)) or 0

    for place, step in enumerate(segment.steps):
        read, again = [v for v in step.inputs if elements(v) >= _LEAST_SHARED], frozenset[int]()
        if step.op.type in _FUSED:
            again = frozenset((place,)).union(*(repeated.get(v, ()) for v in step.inputs))
        for value in step.outputs:
            own = frozenset((value,)) if elements(value) >= _LEAST_SHARED else frozenset[int]()
            if own and again:
                own = frozenset().union(*(leaves.get(v, frozenset((v,))) for v in read))
            others = uses[value] - 1
            small = _LEAST_KEPT <= elements(value) < _LEAST_SHARED
            if others * (len(own) - 1) > _GAIN or (small and others * len(again) > _MOST_REPEATED):
                found.add(value)
                own = own and frozenset((value,))
            elif (
                len(again) <= _MOST_REPEATED
            ):  # what a longer chain repeats is not counted: it may have no end
                repeated[value] = again
            leaves[value] = own
    return frozenset(found)


def _after(segment: Segment) -> dict[int, tuple[int, list[int]]]:
    """For a variable whose memory is taken over, the products that read it, to be computed before it changes.

    Without that XLA copies the variable first, since it does not know that they are done: the step of a dense
    layer of `[3136, 1024]` takes 19.5 ms of processor time instead of 22.0.
    """
    if jax.default_backend() != "cpu":
        return {}
    readers: dict[int, list[int]] = {}
    for step in segment.steps:
        if step.op.type.startswith(_READERS):
            for value in step.inputs:
                if value in segment.donated:
                    readers.setdefault(value, []).append(step.outputs[0])
    found = {}
    for step in segment.steps:
        if step.op.opdef.writes and step.new_state:
            for place, value in enumerate(step.inputs):
                if value in readers:
                    found[step.new_state[0]] = (place, readers[value])
    return found
