"""`while` and `for`: Python's own, or `tf.while_loop` where a tensor decides or is gone through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.function import FunctionGraph
from millrace.building.static import constant_value
from millrace.core import nest, shapes
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.changes import Changes
from millrace.lib.autograph.dataset_loops import draw_over_dataset, is_dataset
from millrace.lib.autograph.jumps import RESULT
from millrace.lib.autograph.logic import and_, not_
from millrace.lib.autograph.replaced import length
from millrace.lib.autograph.values import Missing, is_tensor, shown
from millrace.lib.flow.control_flow import cond, while_loop
from millrace.lib.flow.tensor_array import TensorArray

# In functions TensorFlow makes a list of tensors instead of a tensor array.
_OF_AN_ARRAY = 5

Flag = Callable[[], Any] | None


def while_(
    test: Callable[[], Any],
    body: Callable[[], None],
    *changes: Any,
    returned: Flag = None,
    broken: Flag = None,
) -> None:
    """Repeats a block while a test holds; where its first result is a tensor, `tf.while_loop`.

    Args:
      test: the condition.
      body: the block.
      *changes: what it changes, as `Changes` takes it.
      returned, broken: whether the function has returned, or the loop has been left.

    Raises:
      ValueError: a tensor decides, and a variable has no value before the loop, or the loop returns.
    """
    if is_tensor(_tried(test)):
        before = [] if returned is None else [_unset(returned)]
        after = [] if broken is None else [_unset(broken)]
        loop = _Loop(Changes(*changes))
        loop.draw(loop.start(), lambda: and_(*before, test, *after), body)
        return
    going = test()
    while going:
        body()
        if (returned is not None and returned()) or (broken is not None and broken()):
            break
        going = test()


def _unset(flag: Callable[[], Any]) -> Callable[[], Any]:
    """The negation of a flag."""
    return lambda: not_(flag())


def _tried(test: Callable[[], Any]) -> Any:
    """The first result of a test, computed in a graph that is thrown away."""
    graph = get_default_graph()
    scratch = FunctionGraph("tried", graph)
    with scratch.as_default():
        return test()


class _Loop:
    """A loop that is drawn."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes

    def start(self) -> list[Any]:
        """What the variables of the loop start with."""
        changes = self.changes
        if RESULT in changes.names[: changes.live]:
            raise ValueError("return statements are not supported within a loop that a tensor decides")
        values = [changes.before[i] for i in changes.kept]
        lacking = [v.name for v in values if isinstance(v, Missing)]
        if lacking:
            raise ValueError(
                "what a loop on a tensor changes must have a value before the loop. Received: no value for "
                f"{shown(lacking)}"
            )
        return values

    def draw(
        self, start: list[Any], go_on: Callable[..., Any], body: Callable[..., Any], counters: int = 0
    ) -> None:
        """Adds the loop.

        Args:
          start: the first values: of a counter, where there is one, and of what the loop changes.
          go_on: the test, given the counter.
          body: the block, given the counter; it gives the next one.
          counters: whether there is a counter: 0 or 1.
        """
        changes = self.changes

        def test(*values: Any) -> Any:
            changes.settle(values[counters:], changes.kept)
            return go_on(*values[:counters])

        def step(*values: Any) -> Any:
            changes.settle(values[counters:], changes.kept)
            following = body(*values[:counters])
            after = changes.get()
            kept = [after[i] for i in changes.kept]
            self._check(values[counters:], kept)
            return [*([following] if counters else []), *kept]

        try:
            results = while_loop(test, step, start, return_same_structure=True)
        except BaseException:
            changes.reset()
            raise
        changes.settle(results[counters:], changes.kept)

    def _check(self, before: Any, after: Any) -> None:
        """Every variable keeps its dtype, and its shape or a more general one.

        Raises:
          ValueError: a variable loses its value, or changes its shape.
          TypeError: a variable changes its dtype.
        """
        for place, old, new in zip(self.changes.kept, before, after, strict=True):
            name = self.changes.names[place]
            if isinstance(new, Missing):
                raise ValueError(f"{name!r} must keep a value in a loop on a tensor. Received: `del {name}`")
            for x, y in zip(nest.flatten(old), nest.flatten(new), strict=False):
                if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
                    continue
                if x.dtype.base_dtype is not y.dtype.base_dtype:
                    raise TypeError(
                        f"{name!r} must keep its dtype in a loop on a tensor. Received: {x.dtype.name} "
                        f"before the loop, {y.dtype.name} after an iteration"
                    )
                if not shapes.compatible(x.dims, y.dims) or not _as_exact(x.dims, y.dims):
                    raise ValueError(
                        f"{name!r} must keep its shape in a loop on a tensor. Received: {x.shape} before the "
                        f"loop, {y.shape} after an iteration"
                    )


def _as_exact(general: shapes.Dims, exact: shapes.Dims) -> bool:
    if general is None:
        return True
    return exact is not None and all(g is None or g == e for g, e in zip(general, exact, strict=True))


def for_(
    iterable: Any,
    body: Callable[[Any], None],
    *changes: Any,
    returned: Flag = None,
    broken: Flag = None,
) -> None:
    """Runs a block for each element; of a tensor, `tf.while_loop`; of a dataset, its reduction.

    Args:
      iterable: what is gone through.
      body: the block, given an element.
      *changes: what it changes, as `Changes` takes it.
      returned, broken: whether the function has returned, or the loop has been left.

    Raises:
      ValueError: a tensor or dataset is gone through, and a variable has no value before the loop, or the
        loop returns.
    """
    flags = [_unset(f) for f in (returned, broken) if f is not None]
    left = (lambda: and_(*flags)) if flags else None
    if isinstance(iterable, Tensor):
        loop = _Loop(Changes(*changes))
        if iterable.op.type == "Range":
            _over_range(iterable, body, loop, left)
        else:
            _over_rows(iterable, body, loop, left)
    elif is_dataset(iterable):
        loop = _Loop(Changes(*changes))
        draw_over_dataset(iterable, body, loop.changes, loop.start(), left)
    else:
        for item in iterable:
            body(item)
            if left is not None and not left():
                break


def _over_rows(values: Tensor, body: Callable[[Any], None], loop: _Loop, left: Flag) -> None:
    """The loop over the rows of a tensor."""
    start = loop.start()
    count = length(values)
    graph = get_default_graph()
    apart = graph.bodies_apart
    with graph.counted_as(_OF_AN_ARRAY) if apart else contextlib.nullcontext():
        rows = TensorArray(values.dtype, count).unstack(values)

    def go_on(i: Tensor) -> Any:
        return _in_range(raw.Less(i, count), left)

    def step(i: Tensor) -> Any:
        row = rows.read(i)
        if row.dims is None and values.dims is not None:
            row.set_shape(shapes.shape_of(values.dims[1:]))
        body(row)
        return i + 1

    loop.draw([0, *start], go_on, step, 1)
    graph.count(-1 if apart else 0)  # one tensor less goes into the loop


def _over_range(values: Tensor, body: Callable[[Any], None], loop: _Loop, left: Flag) -> None:
    """The loop over `tf.range`, whose elements need not be stored."""
    first, limit, delta = values.op.inputs
    known = constant_value(delta)

    def inside(i: Tensor) -> Any:
        if known is not None:
            return raw.Less(i, limit) if known >= 0 else raw.Greater(i, limit)
        up = raw.LogicalAnd(raw.GreaterEqual(delta, 0), raw.Less(i, limit))
        return raw.LogicalOr(up, raw.LogicalAnd(raw.Less(delta, 0), raw.Greater(i, limit)))

    def step(i: Tensor) -> Any:
        body(i)
        return i + delta

    loop.draw([first, *loop.start()], lambda i: _in_range(inside(i), left), step, 1)


def _in_range(inside: Tensor, left: Flag) -> Any:
    return inside if left is None else cond(inside, left, lambda: False)
