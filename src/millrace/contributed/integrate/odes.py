"""`tf.contrib.integrate`: `odeint` with steps that adapt themselves, `odeint_fixed` with given ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.dtypes import float32, float64, int32
from millrace.core.public import public
from millrace.core.shapes import compatible
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import cond, while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.reductions import reduce_all, reduce_mean
from millrace.ops.array.constant import constant
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast

Field = Callable[[Tensor, Tensor], Any]

# The method of Dormand and Prince: places, what is summed for each stage, the solution and its error.
_ALPHA = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_BETA = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_SOLUTION = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0)
_ERROR = (
    35 / 384 - 1951 / 21600,
    0.0,
    500 / 1113 - 22642 / 50085,
    125 / 192 - 451 / 720,
    -2187 / 6784 - -12231 / 42400,
    11 / 84 - 649 / 6300,
    -1.0 / 60.0,
)
# Where the solution is known in the middle of a step, for the polynomial between its ends.
_MIDDLE = (
    6025192743 / 30085553152 / 2,
    0.0,
    51252292925 / 65400821598 / 2,
    -2691868925 / 45128329728 / 2,
    187940372067 / 1594534317056 / 2,
    -1776094331 / 19743644256 / 2,
    11237099 / 235043384 / 2,
)


def _combined(scale: Any, weights: tuple[float, ...], values: list[Tensor]) -> Tensor:
    """The sum of the values, each times its weight and the scale."""
    return raw.AddN([(scale * w) * x for w, x in zip(weights, values, strict=True) if w != 0])


class _State(NamedTuple):
    """Where an integration stands: the last step from t0 to t1, the next step's length, the polynomial."""

    y1: Tensor
    f1: Tensor
    t0: Tensor
    t1: Tensor
    dt: Tensor
    e: Tensor
    d: Tensor
    c: Tensor
    b: Tensor
    a: Tensor


class _History(NamedTuple):
    """What `full_output` tells: where each step that was tried ended, and its error."""

    points: Any
    errors: Any


def _stages(func: Field, y0: Tensor, f0: Tensor, t0: Tensor, dt: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The solution at t0 + dt and the slopes of its stages."""
    step = cast(dt, y0.dtype)
    slopes = [f0]
    y = y0
    for place, weights in zip(_ALPHA, _BETA, strict=True):
        y = y0 + _combined(step, weights, slopes)
        slopes.append(convert.to_tensor(func(y, t0 + place * dt)))
    return y, slopes


def _polynomial(y0: Tensor, y1: Tensor, slopes: list[Tensor], dt: Tensor) -> tuple[Tensor, ...]:
    """The coefficients of the fourth-order polynomial through both ends and the middle of a step."""
    step = cast(dt, y0.dtype)
    middle = y0 + _combined(step, _MIDDLE, slopes)
    f0, f1 = slopes[0], slopes[-1]

    def dot(*weights: float) -> Tensor:
        values = [step * f0, step * f1, y0, y1, middle]
        return raw.AddN([w * x for w, x in zip(weights, values, strict=True)])

    a = dot(-2, 2, -8, -8, 16)
    b = dot(5, -3, 18, 14, -32)
    c = dot(-4, 1, -11, -5, 16)
    return a, b, c, step * f0, y0


def _evaluated(state: _State, t: Tensor) -> Tensor:
    """The polynomial of the last step at t, which must lie in it."""
    inside = raw.LogicalAnd(raw.LessEqual(state.t0, t), raw.LessEqual(t, state.t1))
    with control_dependencies(
        [Assert(inside, ["invalid interpolation, fails `t0 <= t <= t1`:", state.t0, t, state.t1])]
    ):
        x = cast((t - state.t0) / (state.t1 - state.t0), state.y1.dtype)
    return (((state.a * x + state.b) * x + state.c) * x + state.d) * x + state.e


def _next_step(dt: Tensor, ratio: Tensor, safety: Tensor, most: Tensor, least: Tensor) -> Tensor:
    """The length of the next step, from the error's share of what is tolerated."""
    shorter = raw.Minimum(ratio**0.2 / safety, 1 / least)
    return dt / raw.Maximum(1 / most, shorter)


@public("contrib.integrate.odeint")
def odeint(
    func: Field,
    y0: Any,
    t: Any,
    rtol: float = 1e-6,
    atol: float = 1e-12,
    method: str | None = None,
    options: dict[str, Any] | None = None,
    full_output: bool = False,
    name: str | None = None,
) -> Any:
    """Integrates dy/dt = func(y, t) with steps whose length adapts itself to the error.

    Args:
      func: of y and t to the slope, a tensor like y; may be called many times while the graph is built.
      y0: `[...]`, floating or complex: y at the first place.
      t: `[n]`, floating, increasing: the places at which y is wanted.
      rtol, atol: the error tolerated, relative and absolute.
      method: "dopri5", the method of Dormand and Prince.
      options: `first_step`, `safety`, `ifactor`, `dfactor`, `max_num_steps`.
      full_output: also return how the integration went: how often the slope was asked for, where each step
        that was tried ended, and its error as a share of what is tolerated.
      name: scope; default "odeint".

    Returns:
      `[n, ...]`: y at every place. With `full_output` also a dictionary with "num_func_evals",
      "integrate_points" and "error_ratio".

    Raises:
      ValueError: the method is another one, or options are given without a method.
      TypeError: `y0` is neither floating nor complex, or `t` is not floating.
      InvalidArgumentError: when run: `t` does not increase, or there were too many steps.
    """
    if method is not None and method != "dopri5":
        raise ValueError(f"invalid method: {method!r}")
    if options is None:
        options = {}
    elif method is None:
        raise ValueError("cannot supply `options` without specifying `method`")
    with name_scope(name, "odeint", [y0, t, rtol, atol]) as scope:
        y0 = convert.to_tensor(y0, name="y0")
        if not (y0.dtype.is_floating or y0.dtype.is_complex):
            raise TypeError("`y0` must have a floating point or complex floating point dtype")
        t = convert.convert_to_tensor(t, preferred_dtype=float64, name="t")
        if not t.dtype.is_floating:
            raise TypeError("`t` must have a floating point dtype")
        error_dtype = abs(y0).dtype
        rtol_ = convert.to_tensor(rtol, error_dtype, "rtol")
        atol_ = convert.to_tensor(atol, error_dtype, "atol")
        return _integrated(func, y0, t, rtol_, atol_, options, full_output, scope)


def _integrated(
    func: Field,
    y0: Tensor,
    t: Tensor,
    rtol: Tensor,
    atol: Tensor,
    options: dict[str, Any],
    full_output: bool,
    scope: str,
) -> Any:
    settings = {"first_step": 1.0, "safety": 0.9, "ifactor": 10.0, "dfactor": 0.2, "max_num_steps": 1000}
    unknown = sorted(set(options) - set(settings))
    if unknown:
        raise TypeError(f"odeint: the options are {sorted(settings)}. Received: {unknown}")
    settings.update(options)
    first, safety, most, least = (
        convert.to_tensor(settings[k], t.dtype, k) for k in ("first_step", "safety", "ifactor", "dfactor")
    )
    limit = convert.to_tensor(settings["max_num_steps"], int32, "max_num_steps")
    count = size(t)
    t.graph.count(24 if full_output else 60)  # TensorFlow 1.15 always keeps the history

    def step(state: _State, history: _History, steps: Tensor) -> tuple[_State, _History, Tensor]:
        checks = [
            Assert(raw.Less(steps, limit), ["max_num_steps exceeded"]),
            Assert(raw.Greater(state.t1 + state.dt, state.t1), ["underflow in dt", state.dt]),
        ]
        with control_dependencies(checks):
            y1, slopes = _stages(func, state.y1, state.f1, state.t1, state.dt)
        error = _combined(cast(state.dt, y1.dtype), _ERROR, slopes)
        tolerated = atol + rtol * raw.Maximum(abs(state.y1), abs(y1))
        ratio = raw.Sqrt(reduce_mean(raw.Square(abs(error) / tolerated)))
        taken = raw.LessEqual(ratio, 1)

        def advanced() -> list[Tensor]:
            a, b, c, d, e = _polynomial(state.y1, y1, slopes, state.dt)
            return [y1, slopes[-1], state.t1, state.t1 + state.dt, e, d, c, b, a]

        def kept() -> list[Tensor]:
            return [
                raw.Identity(x)
                for x in (state.y1, state.f1, state.t0, state.t1, state.e, state.d, state.c, state.b, state.a)
            ]

        y, f, before, after, e, d, c, b, a = cond(taken, advanced, kept)
        dt = _next_step(state.dt, cast(ratio, t.dtype), safety, most, least)
        if full_output:
            at = history.errors.size()
            ends = history.points.write(at, state.t1 + state.dt)
            history = _History(ends, history.errors.write(at, ratio))
        return _State(y, f, before, after, dt, e, d, c, b, a), history, steps + 1

    def reach(solution: Any, history: _History, state: _State, i: Tensor) -> tuple[Any, ...]:
        state, history, _ = while_loop(
            lambda s, *_: raw.Greater(t[i], s.t1),
            step,
            (state, history, constant(0, int32)),
            back_prop=False,
            name="integrate_loop",
        )
        return solution.write(i, _evaluated(state, t[i])), history, state, i + 1

    increasing = Assert(reduce_all(raw.Greater(t[1:], t[:-1])), ["`t` must be monotonic increasing"])
    with control_dependencies([increasing]):
        solution = TensorArray(y0.dtype, size=count).write(0, y0)
        f0 = convert.to_tensor(func(y0, t[0]))
        state = _State(y0, f0, t[0], t[0], first, y0, y0, y0, y0, y0)
        history = _History((), ())
        if full_output:
            history = _History(
                TensorArray(t.dtype, size=0, dynamic_size=True),
                TensorArray(rtol.dtype, size=0, dynamic_size=True),
            )
        solution, history, _, _ = while_loop(
            lambda _s, _h, _state, i: raw.Less(i, count),
            reach,
            (solution, history, state, constant(1, int32)),
            back_prop=False,
            name="interpolate_loop",
        )
    y = solution.stack(name=scope)
    y.set_shape([t.dims[0] if t.dims else None, *(y0.dims or ())] if y0.dims is not None else None)
    if not full_output:
        return y
    points = history.points.stack()
    return y, {
        "num_func_evals": 6 * size(points) + 1,
        "integrate_points": points,
        "error_ratio": history.errors.stack(),
    }


_METHODS = ("rk4", "midpoint")


def _rk4(func: Field, y: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """y after a step of the classical Runge-Kutta method."""
    step = cast(dt, y.dtype)
    k1 = convert.to_tensor(func(y, t))
    half = t + dt / 2
    k2 = convert.to_tensor(func(y + step * k1 / 2, half))
    k3 = convert.to_tensor(func(y + step * k2 / 2, half))
    k4 = convert.to_tensor(func(y + step * k3, t + dt))
    return y + raw.AddN([k1, 2 * k2, 2 * k3, k4]) * (step / 6)


def _midpoint(func: Field, y: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """y after a step of the midpoint method."""
    step = cast(dt, y.dtype)
    k1 = convert.to_tensor(func(y, t))
    return y + step * convert.to_tensor(func(y + step * k1 / 2, t + dt / 2))


@public("contrib.integrate.odeint_fixed")
def odeint_fixed(
    func: Field, y0: Any, t: Any, dt: Any = None, method: str = "rk4", name: str | None = None
) -> Tensor:
    """Integrates dy/dt = func(y, t) with steps of a given length.

    Args:
      func: of y and t to the slope, a tensor like y.
      y0: `[...]`, floating or complex: y at the first place.
      t: `[n]`, floating, increasing: the places at which y is wanted.
      dt: the length of the steps: a scalar, or `[n - 1]`; shortened so that every place is hit. None: one
        step from each place to the next.
      method: "rk4" or "midpoint".
      name: scope; default "odeint_fixed".

    Returns:
      `[n, ...]`: y at every place.

    Raises:
      ValueError: the method is another one, or `t` or `dt` has another rank.
      TypeError: `y0` is neither floating nor complex, or `t` is not floating.
      InvalidArgumentError: when run, `t` does not increase.
    """
    with name_scope(name, "odeint_fixed", [y0, t, dt]):
        t = convert.convert_to_tensor(t, preferred_dtype=float32, name="t")
        y0 = convert.to_tensor(y0, name="y0")
        if t.dims is not None and len(t.dims) != 1:
            raise ValueError("t must be a 1D tensor.")
        if not (y0.dtype.is_floating or y0.dtype.is_complex):
            raise TypeError("`y0` must have a floating point or complex floating point dtype")
        if not t.dtype.is_floating:
            raise TypeError("`t` must have a floating point dtype")
        if method not in _METHODS:
            raise ValueError(f"method not supported: {method!s}")
        advance = _rk4 if method == "rk4" else _midpoint
        gaps = t[1:] - t[:-1]
        if dt is None:
            dt = gaps
        dt = convert.to_tensor(dt, t.dtype.base_dtype, "dt")
        if dt.dims and (len(dt.dims) > 1 or not compatible(dt.dims, gaps.dims)):
            raise ValueError(
                f"`dt` must be a scalar, or have a step for each gap of `t`. Received: {dt.shape}"
            )
        counts = raw.Ceil(gaps / dt)
        lengths = gaps / counts
        counts = raw.Cast(counts, DstT=int32)
        increasing = Assert(reduce_all(raw.Greater(t[1:], t[:-1])), ["`t` must be monotonic increasing"])
        t.graph.count(-3)  # TensorFlow 1.15 puts less into its loops
        with control_dependencies([increasing]), name_scope(method):
            return _fixed(func, y0, t, counts, lengths, advance)


def _fixed(func: Field, y0: Tensor, t: Tensor, counts: Tensor, lengths: Tensor, advance: Any) -> Tensor:
    total = size(t)

    def reach(solution: Any, y: Tensor, now: Tensor, i: Tensor) -> tuple[Any, ...]:
        y, now, _ = while_loop(
            lambda _y, _now, j: raw.Less(j, counts[i - 1]),
            lambda y, now, j: (advance(func, y, now, lengths[i - 1]), now + lengths[i - 1], j + 1),
            (y, now, constant(0, int32)),
        )
        return solution.write(i, y), y, now, i + 1

    solution = TensorArray(y0.dtype, size=total).write(0, y0)
    solution, *_ = while_loop(
        lambda _s, _y, _t, i: raw.Less(i, total), reach, (solution, y0, t[0], constant(1, int32))
    )
    y = solution.stack()
    if y0.dims is not None:
        y.set_shape([t.dims[0] if t.dims else None, *y0.dims])
    return y
