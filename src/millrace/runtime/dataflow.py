"""Old control flow, run as it is meant: tokens go along the edges; a dead one says that a way is not taken.

A token belongs to an iteration of a frame. Enter opens a frame, NextIteration passes a token on to the next
iteration, Exit brings it out. An operation runs when all its inputs have come, and is dead when one of them
is; a Merge runs with the first that is there. Where several can run, the one created first does. Variables
are read when a token reaches what reads them, and the store takes the new values when all has succeeded.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.waiting import limited
from millrace.exchange.tokens import needs_tokens, plain
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.runtime import failures
from millrace.runtime.plan.borders import Reach
from millrace.runtime.store import Store
from millrace.runtime.token_kernels import Kernels, Reference
from millrace.runtime.values import private, scalar


class _Dead:
    """What an output has where its branch is not taken."""

    def __repr__(self) -> str:
        return "dead"


_DEAD: Any = _Dead()


class _Node:
    """An operation in need, and where its results go.

    Attributes:
      op: the operation as the run uses it.
      kind: its type where tokens treat it in a way of its own, else "".
      data, controls: how many inputs of either kind it has.
      users: for each output, the nodes and input numbers that take it.
      followers: the nodes that wait for it.
    """

    __slots__ = ("call", "controls", "data", "followers", "kind", "op", "users")

    def __init__(self, op: Operation) -> None:
        self.op = op
        self.kind = plain(op.type) if needs_tokens(op) else ""
        self.data = len(op.inputs)
        self.controls = 0
        self.users: list[list[tuple[_Node, int]]] = [[] for _ in range(_width(op))]
        self.followers: list[_Node] = []
        self.call: Callable[..., Sequence[Any]] | None = None


def _width(op: Operation) -> int:
    return max((t.value_index for t in op.outputs), default=-1) + 1


class _Iteration:
    """One iteration of a frame: the tokens that have come so far, by node."""

    __slots__ = ("following", "frame", "number", "waiting")

    def __init__(self, frame: _Frame, number: int) -> None:
        self.frame = frame
        self.number = number
        self.waiting: dict[_Node, list[Any]] = {}
        self.following: _Iteration | None = None


class _Frame:
    """A loop at work, or, without a parent, the graph around all loops.

    Attributes:
      parent: the iteration that it was entered from.
      constants: Enter nodes and values that each iteration gets.
      last: the newest iteration.
      left: the Exit nodes that have given a value.
      dead: the Exit nodes that a dead token has reached.
    """

    def __init__(self, parent: _Iteration | None) -> None:
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.frame.depth + 1
        self.constants: list[tuple[_Node, Any]] = []
        self.first = self.last = _Iteration(self, 0)
        self.left: set[_Node] = set()
        self.dead: dict[_Node, None] = {}


class TokenExecutables:
    """Runs some fetches for some feeds, as `Executables` does, by tokens.

    Args:
      fetches: tensors and operations.
      feeds: the fed tensors.
      reach: the operations in need.
      store: the session's.
    """

    def __init__(self, fetches: Sequence[Any], feeds: Sequence[Tensor], reach: Reach, store: Store) -> None:
        self._fetches = list(fetches)
        self._feeds = list(feeds)
        self._store = store
        self._nodes = {op: _Node(used) for op, used in reach.ops.items()}
        self._fed: dict[Tensor, list[tuple[_Node, int]]] = {t: [] for t in feeds}
        for node in self._nodes.values():
            self._connect(node)
        kernels = Kernels(store)
        for node in self._nodes.values():
            node.call = kernels.for_operation(node.op) if not node.kind or node.kind not in _MOVES else None
        self._kernels = kernels
        self._blocks = any(node.op.opdef.blocking for node in self._nodes.values())

    def _connect(self, node: _Node) -> None:
        for cell, tensor in enumerate(node.op.inputs):
            if tensor in self._fed:
                self._fed[tensor].append((node, cell))
            else:
                self._nodes[tensor.op].users[tensor.value_index].append((node, cell))
        for control in dict.fromkeys(node.op.control_inputs):
            source = self._nodes.get(control)
            if source is not None:
                source.followers.append(node)
                node.controls += 1

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The fetched values for the fed `values`.

        Raises:
          tf.errors.OpError: an operation failed, or a fetched tensor is dead; the store is as it was.
        """
        with self._store.lock, np.errstate(all="ignore"), limited(self._store.cancellation):
            run = self._kernels.begin()
            tokens = _Tokens(self._nodes.values(), run)
            for tensor, value in zip(self._feeds, values, strict=True):
                tokens.send(self._fed[tensor], tokens.root, value)
            wanted = {f: None for f in self._fetches if isinstance(f, Tensor)}
            results: dict[Tensor, Any] = dict(zip(self._feeds, values, strict=True))
            tokens.go(wanted, results)
            found = [self._fetched(f, results, run) for f in self._fetches]
            run.commit()
        return tuple(found)

    def _fetched(self, fetch: Any, results: dict[Tensor, Any], run: Any) -> Any:
        if not isinstance(fetch, Tensor):
            return None
        value = results.get(fetch, _DEAD)
        if value is _DEAD:
            k = self._fetches.index(fetch)
            raise errors.InvalidArgumentError(
                None,
                fetch.op,
                f"Retval[{k}] does not have value: '{fetch.name}' is on a way that is not taken",
            )
        if isinstance(value, Reference):
            value = run.read(value, True)
        return scalar(private(value))


class _Tokens:
    """The tokens of one run."""

    def __init__(self, nodes: Iterable[_Node], run: Any) -> None:
        self._run = run
        self.root = _Frame(None).first
        self._frames: dict[tuple[_Iteration, str], _Frame] = {}
        self._with_dead: dict[_Frame, None] = {}  # frames that may have exits to pass on when they are done
        self._ready: list[tuple[int, int, _Node, _Iteration, Any]] = []
        self._serial = itertools.count()
        for node in nodes:
            if not node.data and not node.controls:
                self._push(node, self.root, [])

    def _push(self, node: _Node, at: _Iteration, values: Any) -> None:
        heapq.heappush(self._ready, (node.op.id, next(self._serial), node, at, values))

    def go(self, wanted: dict[Tensor, None], results: dict[Tensor, Any]) -> None:
        """Runs until nothing is left to do."""
        ready = self._ready
        while True:
            while ready:
                _, _, node, at, values = heapq.heappop(ready)
                move = _MOVES.get(node.kind)
                if move is not None:
                    outputs, to = move(self, node, at, values)
                else:
                    outputs, to = self._computed(node, values), at
                if to is self.root:
                    for tensor in node.op.outputs:
                        if tensor in wanted:
                            results.setdefault(tensor, outputs[tensor.value_index])
                if to is not None:
                    self._spread(node, to, outputs, values is _DEAD and node.kind != "ControlTrigger")
            if not self._bury():
                return

    def _computed(self, node: _Node, values: Any) -> Sequence[Any]:
        if values is _DEAD:
            return [_DEAD] * len(node.users)
        try:
            return node.call(self._run, values)  # type: ignore[misc]
        except Exception as error:
            shown = [v for v in values if not isinstance(v, Reference)]
            raised = failures.from_exception(error, node.op, shown)
            raise raised from (error.__cause__ if isinstance(error, errors.OpError) else error)

    def _spread(self, node: _Node, at: _Iteration, outputs: Sequence[Any], dead: bool) -> None:
        dead_enter = node.kind == "Enter"
        for users, value in zip(node.users, outputs, strict=False):
            if users:
                self.send(users, at, value, dead_enter)
        if node.followers:
            self.follow(node, at, dead)

    def follow(self, node: _Node, at: _Iteration, dead: bool) -> None:
        """Tells those that wait for `node` that it has run or is dead."""
        for follower in node.followers:
            entry = at.waiting.get(follower) or self._entry(follower, at)
            entry[0] -= 1
            if follower.kind == "Merge":
                self._look_at_merge(follower, at, entry)
                continue
            if dead:
                entry[1] = True
            if not entry[0]:
                self._start(follower, at, entry)

    def send(
        self, users: list[tuple[_Node, int]], at: _Iteration, value: Any, from_enter: bool = False
    ) -> None:
        """Brings a token to those who take it."""
        for user, cell in users:
            entry = at.waiting.get(user) or self._entry(user, at)
            if user.kind == "Merge":
                if value is _DEAD:
                    entry[1] = user.data if from_enter else entry[1] + 1
                elif entry[2] is None:
                    entry[2] = [value, np.int32(cell)]
                self._look_at_merge(user, at, entry)
                continue
            entry[0] -= 1
            if value is _DEAD:
                entry[1] = True
            else:
                entry[2][cell] = value
            if not entry[0]:
                self._start(user, at, entry)

    def _entry(self, node: _Node, at: _Iteration) -> list[Any]:
        """How many inputs are missing, whether one is dead, the values; for a Merge: how many control inputs
        are missing, how many inputs are dead, the result, whether it has run.
        """
        if node.kind == "Merge":
            entry = [node.controls, 0, None, False]
        else:
            entry = [node.data + node.controls, False, [None] * node.data]
        at.waiting[node] = entry
        return entry

    def _look_at_merge(self, node: _Node, at: _Iteration, entry: list[Any]) -> None:
        if entry[0] or entry[3]:
            return
        if entry[2] is None and entry[1] < node.data:
            return
        entry[3] = True
        self._push(node, at, _DEAD if entry[2] is None else entry[2])
        if at.number:  # what comes later cannot start it again
            del at.waiting[node]

    def _start(self, node: _Node, at: _Iteration, entry: list[Any]) -> None:
        del at.waiting[node]
        self._push(node, at, _DEAD if entry[1] and node.kind != "ControlTrigger" else entry[2])

    # --- operations that move tokens: (results, the iteration where they go) --------------------------------

    def switch(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """One of two ways is dead."""
        if values is _DEAD:
            return [_DEAD, _DEAD], at
        data, taken = values
        return ([_DEAD, data] if taken else [data, _DEAD]), at

    def merge(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """The first value that has come."""
        return ([_DEAD, _DEAD] if values is _DEAD else values), at

    def enter(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """Into a frame; a constant also into its later iterations."""
        attrs = node.op.attrs
        key = at, attrs["frame_name"]
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = _Frame(at)
        value = _DEAD if values is _DEAD else values[0]
        if attrs["is_constant"]:
            frame.constants.append((node, value))
            later = frame.first.following
            while later is not None:
                self._spread(node, later, [value], value is _DEAD)
                later = later.following
        return [value], frame.first

    def exit(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """Out of a frame; a dead token waits until the frame is done."""
        frame = at.frame
        if values is _DEAD:
            frame.dead[node] = None
            self._with_dead[frame] = None
            return [_DEAD], None
        frame.left.add(node)
        return values, frame.parent

    def next_iteration(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """Into the next iteration; a dead token goes nowhere."""
        if values is _DEAD:
            return [_DEAD], None
        if at.following is None:
            frame = at.frame
            at.following = frame.last = _Iteration(frame, at.number + 1)
            for enter, value in frame.constants:
                self._spread(enter, at.following, [value], value is _DEAD)
        return values, at.following

    def pass_on(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """The same value."""
        return ([_DEAD] if values is _DEAD else values), at

    def trigger(self, node: _Node, at: _Iteration, values: Any) -> Any:
        """No value; alive whatever it waited for."""
        return [], at

    def _bury(self) -> bool:
        """Lets the innermost frames that are done pass on their dead exits; False where there are none."""
        done = [frame for frame in self._with_dead if frame.dead.keys() - frame.left]
        depth = max((frame.depth for frame in done), default=0)
        self._with_dead = {frame: None for frame in done if frame.depth < depth}
        for frame in done:
            if frame.depth == depth:
                for node in frame.dead.keys() - frame.left:
                    frame.left.add(node)
                    assert frame.parent is not None
                    self._spread(node, frame.parent, [_DEAD], True)
        return bool(done)


_MOVES: dict[str, Callable[..., Any]] = {
    "Switch": _Tokens.switch,
    "Merge": _Tokens.merge,
    "Enter": _Tokens.enter,
    "Exit": _Tokens.exit,
    "NextIteration": _Tokens.next_iteration,
    "LoopCond": _Tokens.pass_on,
    "ControlTrigger": _Tokens.trigger,
}
