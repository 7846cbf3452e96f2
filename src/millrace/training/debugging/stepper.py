"""`tensorflow.python.debug`'s command-line debugger: runs step by step, stops where asked, shows tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.runtime.finite import describe
from millrace.runtime.plan.planner import Step
from millrace.session import session as sessions
from millrace.training.debugging.wrapping import WrapperSession
from millrace.training.hooks.base import SessionRunHook

_HELP = """run            to the end of this run, or to a break
run -n         to the end, without stopping
run -t N       N runs without stopping, then ask again
run -f NAME    to the first tensor for which the filter NAME is true
step           to the next operation
break NAME     stop after the operation NAME; again to take it back
lt             list the tensors computed so far
pt NAME        print a tensor
exit           leave the program
"""
Filter = Callable[[Any, Any], Any]


class ComputedTensor:
    """One tensor that a run has computed; what a filter is told of it.

    Attributes:
      node_name: the operation's name.
      output_slot: which of its outputs.
      tensor_name: both.
      debug_op: what 1.15 calls a plain copy.
    """

    debug_op = "DebugIdentity"

    def __init__(self, name: str, value: Any) -> None:
        self.tensor_name = name
        self.node_name, _, slot = name.rpartition(":")
        self.output_slot = int(slot)
        self._value = value

    def get_tensor(self) -> Any:
        """The value, an array."""
        return self._value


@public("python.debug.has_inf_or_nan", "python.debug.lib.debug_data.has_inf_or_nan")
def has_inf_or_nan(datum: Any, tensor: Any) -> bool:
    """True where a tensor of floating point numbers holds NaN or infinity; the filter that is always there.

    Args:
      datum: which tensor it is; not looked at.
      tensor: its value.
    """
    kind = getattr(getattr(tensor, "dtype", None), "kind", "")
    return kind in "fc" and bool(kind) and not bool(np.isfinite(np.asarray(tensor)).all())


class _Console:
    """What the user has asked for, and the prompt that asks."""

    def __init__(self) -> None:
        self.filters: dict[str, Filter] = {"has_inf_or_nan": has_inf_or_nan}
        self.breaks: set[str] = set()
        self.filter: str | None = None
        self.stepping = False
        self.silent_runs = 0
        self.data: dict[str, ComputedTensor] = {}
        self.calls = 0

    def begin(self, fetches: Any, feeds: Sequence[str]) -> bool:
        """Asks before a run; False where it is to run as it is."""
        self.calls += 1
        self.data = {}
        self.filter, self.stepping = None, False
        if self.silent_runs:
            self.silent_runs -= 1
            return False
        fed = f", feeds {', '.join(feeds)}" if feeds else ""
        self._say(f"--- run {self.calls}: {fetches}{fed} (help lists the commands)")
        return self._ask()

    def __call__(self, part: Any, start: int, end: int, results: Sequence[Any]) -> None:
        """Looks at a part of a run; asks where it is to stop."""
        given = dict(zip(part.gives, results, strict=True))
        for step in part.steps:
            if not isinstance(step, Step):
                continue
            new = [
                ComputedTensor(tensor.name, given[value])
                for tensor, value in zip(step.op.outputs, step.outputs, strict=False)
                if value in given
            ]
            self.data.update((datum.tensor_name, datum) for datum in new)
            reason = self._reason(step.op, new)
            if reason:
                self._say(f"{reason}: {step.op.type} {step.op.name!r}, created at {step.op.user_location}")
                for datum in new:
                    self._say(f"  {datum.tensor_name} = {describe(datum.get_tensor())}")
                self.stepping = False
                self._ask()

    def _reason(self, op: Any, new: list[ComputedTensor]) -> str:
        if self.stepping:
            return "step"
        if op.name in self.breaks:
            return "break"
        if self.filter is not None:
            wanted = self.filters[self.filter]
            if any(wanted(datum, datum.get_tensor()) for datum in new):
                return self.filter
        return ""

    def _ask(self) -> bool:
        """Reads commands until one goes on; False for `run -n` and where nobody answers."""
        while True:
            try:
                words = input("millrace-debug> ").split()
            except EOFError:
                return False
            if not words:
                continue
            command, *rest = words
            if command in ("run", "r"):
                going = self._run(rest)
                if going is not None:
                    return going
            elif command in ("step", "s"):
                self.stepping = True
                return True
            elif command in ("exit", "quit", "q"):
                raise SystemExit(1)
            else:
                self._show(command, rest)

    def _run(self, rest: list[str]) -> bool | None:
        """What `run` and its options do; None where they are not understood."""
        if not rest:
            self.filter = None
            return True
        if rest == ["-n"]:
            self.breaks, self.filter = set(), None
            return False
        if rest[0] == "-t" and len(rest) == 2 and rest[1].isdigit():
            self.silent_runs = max(int(rest[1]) - 1, 0)
            return False
        if rest[0] == "-f" and len(rest) == 2:
            if rest[1] in self.filters:
                self.filter = rest[1]
                return True
            self._say(f"there is no filter {rest[1]!r}; there are {', '.join(sorted(self.filters))}")
            return None
        self._say(_HELP)
        return None

    def _show(self, command: str, rest: list[str]) -> None:
        if command in ("break", "b") and rest:
            self.breaks ^= {rest[0]}
            self._say(f"breaks: {', '.join(sorted(self.breaks)) or 'none'}")
        elif command in ("lt", "list"):
            for datum in self.data.values():
                self._say(f"  {datum.tensor_name} = {describe(datum.get_tensor())}")
        elif command in ("pt", "print", "p") and rest:
            name = rest[0] if ":" in rest[0] else f"{rest[0]}:0"
            datum = self.data.get(name)
            self._say(str(datum.get_tensor()) if datum else f"{name!r} has not been computed in this run")
        else:
            self._say(_HELP)

    def _say(self, text: str) -> None:
        sys.stdout.write(f"{text.rstrip()}\n")


def _checked(ui_type: str) -> None:
    if ui_type not in ("curses", "readline"):
        raise ValueError(f"ui_type must be 'curses' or 'readline'. Received: {ui_type!r}")


@public(
    "python.debug.LocalCLIDebugWrapperSession",
    "python.debug.wrappers.local_cli_wrapper.LocalCLIDebugWrapperSession",
)
class LocalCLIDebugWrapperSession(WrapperSession):
    """A session that asks before each run, and stops in it where the answer says.

    Args:
      sess: the session to wrap.
      dump_root, log_usage, thread_name_filter, config_file_path: accepted; nothing is written to disk.
      ui_type: "curses" or "readline"; both are the same plain prompt.

    Raises:
      TypeError: `sess` is not a session.
      ValueError: `ui_type` is neither.
    """

    def __init__(
        self,
        sess: Any,
        dump_root: str | None = None,
        log_usage: bool = True,
        ui_type: str = "curses",
        thread_name_filter: str | None = None,
        config_file_path: Any = False,
    ) -> None:
        super().__init__(sess, "LocalCLIDebugHook")
        _checked(ui_type)
        self._console = _Console()

    def add_tensor_filter(self, filter_name: str, tensor_filter: Filter) -> None:
        """Makes `run -f filter_name` stop at the first tensor for which `tensor_filter(datum, value)`."""
        if not filter_name or not callable(tensor_filter):
            raise TypeError(
                f"a filter is a name and a function. Received: {filter_name!r}, {tensor_filter!r}"
            )
        self._console.filters[filter_name] = tensor_filter

    @property
    def run_call_count(self) -> int:
        """How often `run` was called."""
        return self._console.calls

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`, after asking."""
        fed = [getattr(key, "name", str(key)) for key in feed_dict or ()]
        if not self._console.begin(_named(fetches), fed):
            return self._sess.run(fetches, feed_dict, options, run_metadata)
        return self._sess.run_observed(fetches, feed_dict, self._console)


@public("python.debug.LocalCLIDebugHook", "python.debug.wrappers.hooks.LocalCLIDebugHook")
class LocalCLIDebugHook(SessionRunHook):
    """The same for the runs of a monitored session.

    Args:
      ui_type: "curses" or "readline"; both are the same plain prompt.
      dump_root, thread_name_filter, config_file_path: accepted; nothing is written to disk.
    """

    def __init__(
        self,
        ui_type: str = "curses",
        dump_root: str | None = None,
        thread_name_filter: str | None = None,
        config_file_path: Any = None,
    ) -> None:
        _checked(ui_type)
        self._console = _Console()

    def add_tensor_filter(self, filter_name: str, tensor_filter: Filter) -> None:
        """As for `LocalCLIDebugWrapperSession`."""
        self._console.filters[filter_name] = tensor_filter

    def begin(self) -> None:
        """Starts to watch: sessions that are made from now on ask before their runs."""
        sessions.observers.append(self._observe)

    def end(self, session: Any) -> None:
        """Stops watching."""
        sessions.observers.remove(self._observe)

    def _observe(self, runner: Any, values: Any) -> Any:
        names = [element.name for element in runner.elements]
        fed = [feed.tensor.name for feed in runner.feeds]
        return self._console if self._console.begin(", ".join(names), fed) else None


def _named(fetches: Any) -> str:
    return ", ".join(_names(fetches))


def _names(fetches: Any) -> Iterator[str]:
    if isinstance(fetches, dict):
        fetches = list(fetches.values())
    if isinstance(fetches, list | tuple):
        for fetch in fetches:
            yield from _names(fetch)
    else:
        yield getattr(fetches, "name", str(fetches))
