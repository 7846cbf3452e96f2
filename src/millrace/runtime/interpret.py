"""The interpreter tier: a plan becomes the source of one Python function, a line a step, and runs on NumPy.

Ufuncs, constants and attributes are bound in the function's namespace, so that a warm run pays for little
else than NumPy itself. A failing line tells which operation failed: there is no bookkeeping on the way.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.kinds import LISTS
from millrace.dialect import numpy_dialect, owning_dialect
from millrace.graph.operation import Operation, group
from millrace.opkit.state.resource import Resource
from millrace.runtime import failures
from millrace.runtime.commit import Commit, Read, Settle, owned
from millrace.runtime.listing import LINES, Listing
from millrace.runtime.plan.borders import BodyUse
from millrace.runtime.plan.planner import Plan, Step, any_step, body_cells, with_bodies
from millrace.runtime.plan.segments import Segment
from millrace.runtime.plan.simplify import body_form
from millrace.runtime.store import Cell
from millrace.runtime.threads import ONE_THREAD, uses_blas
from millrace.runtime.together import Part, Together, gathered
from millrace.runtime.values import HOST_TYPES, LARGE, fetched, host, private, scalar

_CHUNK = 500  # steps a function: Python compiles a longer one no faster, and its frame grows
_SMALL = 1 << 14  # elements: an array up to this size need not be dropped before the run ends

# Python's operators on NumPy scalars cost a tenth of the ufuncs they stand for, and the same on arrays.
_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "true_divide": "/", "divide": "/"}

_LISTING = "_listing"
_serial = itertools.count()
_making = threading.Lock()


def compile_plan(
    plan: Plan,
    parts: list[Step | Segment] | None = None,
    programs: Any = None,
    whole: bool = True,
    place: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """A function of the fed values and the cells, both positional, to the tuple of fetched values.

    Args:
      plan: what to run.
      parts: its steps, some of them gathered into segments; default: all steps one by one.
      programs: from a segment to the function that runs it.
      whole: False for a part of a step that may be taken back later, so that no old value may be lost.
      place: from a value to the same where programs take it from.
    """
    return _Source(plan, parts=parts, programs=programs, whole=whole, place=place).build()


def compile_function(plan: Plan) -> Callable[..., list[Any]]:
    """A function of the fed values, then the values of the cells, to the fetches and the cells' new
    values.
    """
    return _Source(plan, body=True).build()


class _Source:
    """Writes the function of one plan."""

    def __init__(
        self,
        plan: Plan,
        body: bool = False,
        parts: Any = None,
        programs: Any = None,
        whole: bool = True,
        place: Callable[[Any], Any] | None = None,
    ) -> None:
        self.plan = plan
        self.whole = whole
        self.has_large = any((shapes.num_elements(d) or 0) >= LARGE for d in plan.dims.values())
        self.parts: list[Part] = self._ordered() if parts is None else parts
        self.programs = programs
        self.on_device = {v for part in self.parts if isinstance(part, Segment) for v in part.outputs}
        if programs is not None:
            self.on_device.update(use.initial for use in plan.cells)
        self.settle = None if place is None else Settle(place)
        self.settled = self._settled()
        self.is_body = body
        self.names: dict[str, Any] = {"xp": numpy_dialect(), "HOST": HOST_TYPES, "host": host}
        self.bound: dict[int, str] = {}
        self.lines: list[str] = []
        self.steps: list[Part | None] = []
        self.large = max(len(self.parts), len(plan.cells)) > _CHUNK
        self.later: list[tuple[str, list[str]]] = []
        self.first_fetch: dict[int, int] = {}
        self.producers: dict[int, Part] | None = None
        self.uses: dict[int, int] | None = None
        self.indent = "    "
        self.owners: set[int] = set()
        self.last_use = self._last_uses()

    def _ordered(self) -> list[Part]:
        parts = gathered(self.plan, self.plan.steps)
        if not self.has_large:
            return [*parts]
        from millrace.runtime.spare import early_updates  # its import costs a small step a tenth

        return early_updates(self.plan, parts)

    # --- values ---------------------------------------------------------------------------------------------

    def _value(self, value: int) -> str:
        constant = self.plan.constants.get(value)
        if constant is not None:
            name = f"c{value}"
            self.names[name] = constant
            return name
        return f"R[{value}]" if self.large else f"v{value}"

    def _bind(self, thing: Any, prefix: str) -> str:
        name = self.bound.get(id(thing))
        if name is None:
            name = self.bound[id(thing)] = f"{prefix}{len(self.names)}"
            self.names[name] = thing
        return name

    def _last_uses(self) -> dict[int, int]:
        last: dict[int, int] = {}
        for i, step in enumerate(self.parts):
            for value in (*step.takes, *step.makes):
                last[value] = i
        for value in self.plan.fetches:
            last.pop(value, None)
        for use in self.plan.cells:
            last.pop(use.final, None)
        return last

    def _dropped(self, i: int, step: Part) -> str:
        """Forgets large values after their last use, so that their memory can serve again."""
        dead: list[str] = []
        for value in dict.fromkeys((*step.takes, *step.makes)):
            if self.last_use.get(value) != i or value in self.plan.constants:
                continue
            size = shapes.num_elements(self.plan.dims.get(value))
            if size is None or size > _SMALL or self.large:
                dead.append(self._value(value))
        return f"; {' = '.join(dead)} = None" if dead else ""

    # --- source ---------------------------------------------------------------------------------------------

    def _emit(self, text: str, step: Part | None = None) -> None:
        self.lines.append(text)
        self.steps.append(step)

    def _emit_in_chunks(self, name: str, lines: list[str]) -> None:
        """Lines of `run`, or where there are many, of functions that it calls."""
        if not self.large:
            for line in lines:
                self._emit(f"    {line}")
            return
        for k in range(0, len(lines), _CHUNK):
            head = f"{name}{k // _CHUNK}(R, S)"
            self._emit(f"    {head}")
            self.later.append((head, lines[k : k + _CHUNK]))

    def build(self) -> Callable[..., Any]:
        plan = self.plan
        if plan.cells:  # variables are initialized first, where a moment more matters least
            numpy_dialect().load("array", "math", "state")
        feeds = [f"f{i}" for i in range(len(plan.feeds))]
        cells = [f"S[{i}]" if self.large else f"s{i}" for i in range(len(plan.cells))]
        self._emit(f"def run({', '.join(feeds + (['*S'] if self.large else cells))}):")
        if self.large:
            self._emit(f"    R = [None] * {plan.count + 1}")
        for name, value in zip(feeds, plan.feeds, strict=True):
            self._emit(f"    {self._target(value)} = {name}")
        if self.large and not self.is_body:
            self.names["read"] = self._read()
            self._emit("    read(R, S)")
        else:
            self._emit_in_chunks("read", self._read_cells(cells))
        owners = self._owners()
        giving = self._giving()
        kept = f"R[{plan.count}]" if self.large else "K"
        if owners:
            own = owning_dialect()
            self.names["own"], self.names["journal"] = own, own.journal
        if giving is not None:
            self._emit(f"    {kept} = []")
        if owners or giving is not None:
            self._emit("    try:")
            self.indent = "        "
        inside = self.indent
        if self._uses_blas():
            self.names["one_thread"] = ONE_THREAD
            self._emit(f"{self.indent}with one_thread:")
            self.indent += "    "
        if self.large:
            for k in range(0, len(self.parts), _CHUNK):
                self._emit(f"{self.indent}chunk{k // _CHUNK}(R)")
        else:
            self._write_steps(0, len(self.parts))
        if self.is_body:
            self._return_body(cells)
        else:
            commit = self._commit(cells)
            self._emit(f"{inside}{commit}")
            if owners or giving is not None:
                self._write_undo(giving, kept, commit, bool(owners))
            self._emit(f"    return ({''.join(self._fetched(k) + ', ' for k in range(len(plan.fetches)))})")
        self._compiled()
        if self.large:
            self.indent = "    "
            for k in range(0, len(self.parts), _CHUNK):
                self._emit(f"def chunk{k // _CHUNK}(R):")
                self._write_steps(k, min(k + _CHUNK, len(self.parts)))
                self._compiled()
            for head, lines in self.later:
                self._emit(f"def {head}:")
                for line in lines:
                    self._emit(f"    {line}")
                self._compiled()
        return self.names["run"]

    def _compiled(self) -> None:
        """Compiles what was emitted: a function at a time, since syntax trees take much room."""
        unit = f"<millrace plan {next(_serial)}>"
        self.names.setdefault(LINES, {})[unit] = self.steps
        source = "\n".join(self.lines)
        exec(compile(source, unit, "exec"), self.names)
        self.names.setdefault(_LISTING, Listing()).add(unit, source)
        self.lines, self.steps = [], []

    def _owners(self) -> set[int]:
        """The steps, by identity, that write variables whose present value nothing else in the run looks at
        any more.

        Their kernels may change that value in place: it belongs to the cell alone, since whatever goes in or
        out of a cell is copied.
        """
        plan = self.plan
        if self.is_body or not self.whole:
            return set()
        # value -> the versions that it may share memory with
        derived = {use.initial: frozenset((use.initial,)) for use in plan.cells}
        last: dict[int, int] = {}
        for i, part in enumerate(self.parts):
            inputs = part.takes
            for value in inputs:
                last.update(dict.fromkeys(derived.get(value, ()), i))
            if isinstance(part, Step):
                passes = part.op.opdef.alias or part.op.opdef.has_body
                if part.op.opdef.writes and not passes:
                    derived.update((v, frozenset((v,))) for v in part.new_state)
                elif passes:
                    shared = frozenset[int]().union(*(derived.get(v, ()) for v in inputs))
                    derived.update(dict.fromkeys(part.makes, shared))
        for value in plan.fetches:
            last.update(dict.fromkeys(derived.get(value, ()), len(self.parts)))
        found: set[int] = set()
        for i, part in enumerate(self.parts):
            if isinstance(part, Step) and part.op.opdef.writes and not part.op.opdef.alias:
                taken = [v for v in part.inputs if derived.get(v) == frozenset((v,))]
                if taken and all(last.get(v) == i for v in taken) and len(taken) == len(set(taken)):
                    found.add(id(part))
        self.owners = found if any(_changes_rows(p) for p in self.parts if id(p) in found) else set()
        return self.owners

    def _giving(self) -> Segment | None:
        """The last part where it is a program that takes the memory of variables over."""
        last = self.parts[-1] if self.parts else None
        return last if isinstance(last, Segment) and last.donated else None

    def _write_undo(self, giving: Segment | None, kept: str, commit: str, owners: bool) -> None:
        """What is done when something, a signal for example, ends the run early.

        A program that took the variables' memory over has made their new values: then the step is completed.
        Otherwise nothing was stored, and what was changed in place is put back.
        """
        self._emit("    except BaseException:")
        if giving is not None:
            self._emit(f"        if {kept}:")
            self._emit(f"            [{', '.join(map(self._target, giving.outputs))}] = {kept}[0]")
            self._emit(f"            {commit}")
        if owners:
            self._emit("        journal.undo()")
        self._emit("        raise")

    def _uses_blas(self) -> bool:
        if self.is_body:
            return False  # its caller has taken care
        steps = (part for part in self.parts if isinstance(part, Step))
        return any_step(steps, lambda step: uses_blas(step.op.type))

    def _target(self, value: int) -> str:
        return f"R[{value}]" if self.large else f"v{value}"

    def _read_cells(self, cells: list[str]) -> list[str]:
        lines: list[str] = []
        if self.settled:
            self.names["ndarray"], self.names["settle"] = np.ndarray, self.settle
        for name, use in zip(cells, self.plan.cells, strict=True):
            target = self._target(use.initial)
            lines.append(f"{target} = {name}" if self.is_body else f"{target} = {name}.value")
            if self.programs is None and not self.is_body:
                lines.append(f"if {target}.__class__ not in HOST: {target} = host({target})")
            if use.op.opdef.state is not None:
                make = self._bind(_Initial(use.op), "init")
                cell = "None" if self.is_body else name
                lines.append(f"if {target} is None: {target} = {make}({cell})")
            elif use.must_exist:
                self.names["uninitialized"] = failures.uninitialized
                lines.append(f"if {target} is None: raise uninitialized({self._bind(use.op, 'op')})")
            if use.initial in self.settled:
                lines.append(f"if {target}.__class__ is ndarray: {target} = settle({name}, {target})")
        return lines

    def _settled(self) -> set[int]:
        """The values of cells that programs read and nothing here writes."""
        if self.settle is None:
            return set()
        taken = {v for part in self.parts if isinstance(part, Segment) for v in part.inputs}
        return taken & {use.initial for use in self.plan.cells if use.final == use.initial}

    def _read(self) -> Read:
        """Reads all cells at once, where there are many."""
        uses: list[tuple[int, Any, Any]] = []
        for use in self.plan.cells:
            make = _Initial(use.op) if use.op.opdef.state is not None else None
            refuse = partial(failures.uninitialized, use.op) if use.must_exist else None
            uses.append((use.initial, make, refuse))
        settled = [i for i, use in enumerate(self.plan.cells) if use.initial in self.settled]
        return Read(uses, HOST_TYPES if self.programs is None else None, host, self.settle, settled)

    def _write_steps(self, start: int, stop: int) -> None:
        if start == stop:
            return
        for i in range(start, stop):
            step = self.parts[i]
            if isinstance(step, Step):
                call = (self.has_large and self._call_in_place(step, i)) or self._call(step)
            else:
                call = self._call_segment(step) if isinstance(step, Segment) else self._call_together(step)
            if isinstance(step, Together):
                self._emit(f"{self.indent}{call}", step.steps[-1])
            else:
                self._emit(f"{self.indent}{call}{self._dropped(i, step)}", step)

    def _call_segment(self, segment: Segment) -> str:
        program = self._bind(self.programs(segment), "p")
        kept = (f"R[{self.plan.count}]" if self.large else "K") if segment.donated else "None"
        arguments = ", ".join([kept, *map(self._value, segment.inputs)])
        return f"[{', '.join(self._target(v) for v in segment.outputs)}] = {program}({arguments})"

    def _call_together(self, part: Together) -> str:
        function = self._bind(part.function(), "t")
        arguments = ", ".join(map(self._on_host, part.takes))
        return f"[{', '.join(self._target(v) for v in part.makes)}] = {function}({arguments})"

    def _number(self, value: int) -> str | None:
        """A constant 0-d array as a NumPy scalar, which is faster among scalars."""
        constant = self.plan.constants.get(value)
        if type(constant) is not np.ndarray or constant.ndim or constant.dtype.kind not in "fiuc":
            return None
        self.names[f"n{value}"] = constant[()]
        return f"n{value}"

    def _on_host(self, value: int) -> str:
        """The value for a step that runs on NumPy."""
        name = self._value(value)
        return f"host({name})" if value in self.on_device else name

    def _call_in_place(self, step: Step, i: int) -> str | None:
        """The call where the result is large and may take the memory of an input that dies here."""
        from millrace.runtime.blocks import in_blocks
        from millrace.runtime.spare import dying, spare, ufunc_of

        update = in_blocks(self.plan, step)
        ufunc = ufunc_of(step) if update is None else None
        if update is None and ufunc is None:
            return None
        dead = [v for v in dying(self.plan, step, self.last_use, i) if v not in self.on_device]
        if update is not None:
            dead = [v for v in dead if v == update.gradient]
        elif not dead:
            return None
        inputs = [self._on_host(v) for v in step.inputs]
        memory = [f"{self._bind(spare, 'spare')}({self._value(v)}, [])" for v in dead]
        taken = f"M = {memory[0] if memory else None}"
        if len(memory) > 1:
            taken += f"; M = {memory[1]} if M is None else M"
        arguments = [*inputs, "out=M"] if update is None else ["M", *inputs]
        call = f"{self._bind(update or ufunc, 'k')}({', '.join(arguments)})"
        return f"{taken}; {self._targets(step)}{call}; M = None"

    def _call(self, step: Step) -> str:
        op = step.op
        opdef = op.opdef
        target = self._targets(step)
        inputs = [self._on_host(v) for v in step.inputs]
        if step.outputs and all(self.plan.dims.get(v) == () for v in step.outputs):
            inputs = [self._number(v) or name for v, name in zip(step.inputs, inputs, strict=True)]
        state = [self._on_host(v) for v in step.state]
        infix = _INFIX.get(getattr(opdef.kernel, "verb", ""))
        if infix is not None:
            return f"{target}{inputs[0]} {infix} {inputs[1]}"
        shortcut = self._shortcut(step)
        if shortcut is not None:
            return f"{target}{self._bind(shortcut, 'k')}({', '.join(inputs)})"
        args = [
            f"({''.join(v + ', ' for v in part)})" if isinstance(part, LISTS) else part
            for part in group(opdef.inputs, inputs, op.attrs)
        ]
        attrs = {a: op if a == "op" else op.attrs[a] for a in opdef.kernel_attrs}
        if opdef.has_body:
            args[-1] = f"(*{args[-1]}, {', '.join(state)})" if state else args[-1]
            attrs = {n: with_bodies(v, partial(bind_body, step)) for n, v in attrs.items()}
            state = []
        keywords = [f"{a}={self._literal(v)}" for a, v in attrs.items()]
        kernel = self._bind(opdef.kernel, "k")
        dialect = "own" if id(step) in self.owners else "xp"
        return f"{target}{kernel}({', '.join([dialect, *state, *args, *keywords])})"

    def _literal(self, value: Any) -> str:
        if value is None or type(value) in (bool, int, str):
            return repr(value)
        if type(value) is tuple and not value:
            return "()"
        name = f"a{len(self.names)}"
        self.names[name] = value
        return name

    def _shortcut(self, step: Step) -> Callable[..., Any] | None:
        """A NumPy function of the inputs alone, where the declaration offers one."""
        opdef = step.op.opdef
        if step.state:
            return None
        verb = getattr(opdef.kernel, "verb", None)
        if verb is not None:
            return getattr(numpy_dialect(), verb)
        if opdef.bind is None:
            return None
        plan = self.plan
        dims = [plan.dims.get(v) for v in step.inputs]
        try:
            return opdef.bind(dims, [plan.constants.get(v) for v in step.inputs], step.op.attrs)
        except Exception:  # inputs that do not fit are the kernel's to report, at its turn
            return None

    def _targets(self, step: Step) -> str:
        """The left side: what the kernel returns, unpacked as the declaration says."""
        op = step.op
        opdef = op.opdef
        if opdef.writes and not opdef.has_body:
            order = step.new_state + [v for v in step.outputs if v not in step.new_state]
            names = [self._target(v) for v in order]
            return f"{names[0]} = " if len(names) == 1 else f"{', '.join(names)} = "
        outputs = [self._target(v) for v in step.outputs]
        new_state = [self._target(v) for v in step.new_state]
        if opdef.has_body:
            names = outputs + new_state
            return f"[{', '.join(names)}] = " if names else ""
        parts = [
            f"[{', '.join(part)}]" if isinstance(part, LISTS) else part
            for part in group(opdef.outputs, outputs, op.attrs)
        ]
        if not new_state:
            if not parts:
                return ""
            return f"{parts[0]} = " if len(parts) == 1 else f"{', '.join(parts)} = "
        return f"{', '.join([*parts, *new_state])}{',' if not parts else ''} = "

    # --- results --------------------------------------------------------------------------------------------

    def _fetched(self, k: int) -> str:
        value = self.plan.fetches[k]
        if value < 0:
            return "None"
        name = self._value(value)
        tensor = self.plan.tensors.get(value)
        if value in self.on_device and tensor is not None and not tensor.dtype.is_numpy_compatible:
            return f"host({name})"  # a stack or tensor array for another part of the step
        if value in self.on_device:
            self.names["fetched"] = fetched
            return f"fetched({name})"
        if self._may_be_shared(value) or self.first_fetch.setdefault(value, k) != k:
            self.names["private"] = private
            return f"private({name})"
        dims = self.plan.dims.get(value)
        if dims is not None and dims != ():
            return name
        self.names["scalar"] = scalar
        return f"scalar({name})"

    def _may_be_shared(self, value: int) -> bool:
        """True where the array may be, or be part of, one that outlives the run."""
        plan = self.plan
        if value in plan.constants or value in plan.feeds:
            return True
        if any(value in (use.initial, use.final) for use in plan.cells):
            return True
        producer = self._producers().get(value)
        if isinstance(producer, Segment):
            return False
        return (
            producer is None
            or isinstance(producer, Together)
            or producer.op.opdef.alias
            or producer.op.opdef.has_body
            or bool(producer.new_state)
        )

    def _producers(self) -> dict[int, Part]:
        if self.producers is None:
            self.producers = {v: step for step in self.parts for v in step.makes}
        return self.producers

    def _commit(self, cells: list[str]) -> str:
        """A line that stores the new values, after everything that could fail has succeeded."""
        places: list[int] = []
        values: list[int] = []
        copied: list[bool] = []
        for i, use in enumerate(self.plan.cells):
            if use.final == use.initial:
                if use.op.opdef.state is None:
                    continue
                copied.append(False)
            else:
                producer = self._producers().get(use.final)
                shared = producer is None or (isinstance(producer, Step) and producer.op.opdef.alias)
                copied.append(shared and not self._made_for(use.final))
            places.append(i)
            values.append(use.final)
        journal = self.names.get("journal")
        if not places:
            return "pass"
        if self.large:
            constants = [(v, self.plan.constants.get(v)) for v in values]
            self.names["commit"] = Commit(places, constants, copied, journal)
            return "commit(R, S)"
        self.names["owned"] = owned
        pairs = [
            (f"{cells[i]}.value", f"owned({self._value(v)})" if copies else self._value(v))
            for i, v, copies in zip(places, values, copied, strict=True)
        ]
        if journal is not None:
            pairs.append(("journal.entries", "[]"))
        return f"{', '.join(to for to, _ in pairs)} = {', '.join(value for _, value in pairs)}"

    def _made_for(self, value: int) -> bool:
        """True where a value that is only handed on, as an assignment does, was made for nothing else: then
        nobody else can change it.
        """
        producers, uses = self._producers(), self._use_counts()
        while isinstance(step := producers.get(value), Step) and step.op.opdef.alias:
            handed_on = step.inputs[-1:] if step.op.opdef.writes else step.inputs
            if len(handed_on) != 1 or step.state or step.op.opdef.has_body:
                return False
            value = handed_on[0]
            if uses.get(value) != 1 or value in self.plan.constants:
                return False
        return isinstance(step, Step) and not (step.new_state or step.op.opdef.has_body)

    def _use_counts(self) -> dict[int, int]:
        """How many steps, fetches and cells take each value."""
        if self.uses is None:
            taken = [v for part in self.parts for v in part.takes]
            taken += [*self.plan.fetches, *(use.final for use in self.plan.cells)]
            self.uses = dict(Counter(taken))
        return self.uses

    def _return_body(self, cells: list[str]) -> None:
        plan = self.plan
        results = ["None" if v < 0 else self._value(v) for v in plan.fetches]
        results += [self._value(use.final) for use in plan.cells]
        self._emit(f"    return [{', '.join(results)}]")


def _changes_rows(part: Part) -> bool:
    """True for writes that take row numbers: the others make whole new values."""
    return isinstance(part, Step) and any(arg.name == "indices" for arg in part.op.opdef.inputs)


class _Initial:
    """The first value of a stateful operation's cell, made at its first run in a session."""

    def __init__(self, op: Operation) -> None:
        self.op = op

    def __call__(self, cell: Cell | None) -> Any:
        assert self.op.opdef.state is not None
        value = self.op.opdef.state(self.op.attrs)
        if not isinstance(value, Resource):
            return value
        value.name = self.op.attrs.get("shared_name") or self.op.name
        if cell is None:
            return value
        with _making:  # whoever else wants it meanwhile gets the same one
            if cell.value is None:
                cell.value = value
            return cell.value


def bind_body(step: Step, body: BodyUse) -> Callable[..., list[Any]]:
    """A function of the explicit arguments, the captured values, then the cells that the operation's bodies
    use.

    It returns the outputs, then the values of all these cells after it.
    """
    op = step.op
    plan = body_form(op, body, step.dims)
    if plan.function is None:
        plan.function = _Source(plan, body=True).build()
        plan.function.stacks = len(plan.fetches) - op.attrs.get("carried", 0)
    function = plan.function
    keys = list(body_cells(op))
    own = [use.key for use in plan.cells]
    if keys == own:
        return function
    count = len(plan.feeds)
    positions = [count + keys.index(key) for key in own]
    outputs = len(plan.fetches)

    def call(*args: Any) -> list[Any]:
        results = function(*args[:count], *(args[p] for p in positions))
        new = dict(zip(own, results[outputs:], strict=True))
        return results[:outputs] + [new.get(key, old) for key, old in zip(keys, args[count:], strict=True)]

    bound: Any = call
    bound.stacks = function.stacks
    return bound


def cells_for(plan: Plan, store: Any) -> list[Cell]:
    """The store's cells in the order of the plan."""
    return [store.cell(use.key) for use in plan.cells]
