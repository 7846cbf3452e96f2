"""`tf.contrib.learn.monitors`: monitors as hooks of a session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.contributed.learn.monitors.base import BaseMonitor
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.models.estimator.arguments import check_hooks
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


@public("contrib.learn.monitors.RunHookAdapterForMonitors")
class RunHookAdapterForMonitors(SessionRunHook):
    """Monitors as one hook.

    Args:
      monitors: the monitors.
    """

    def __init__(self, monitors: Iterable[BaseMonitor]) -> None:
        self._monitors = list(monitors)
        self._step = 0

    def begin(self) -> None:
        """Begins all monitors."""
        self._step = 0
        self._global_step = get_global_step(get_default_graph())
        for monitor in self._monitors:
            monitor.begin(max_steps=None)

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks the monitors for their tensors."""
        if not self._step:
            self._step = int(run_context.session.run(self._global_step)) + 1
        graph, wanted = get_default_graph(), {}
        self._asked = []
        for monitor in self._monitors:
            names = []
            for tensor in monitor.step_begin(self._step) or ():
                name = tensor if isinstance(tensor, str) else tensor.name
                wanted[name] = graph.as_graph_element(tensor)
                names.append(name)
            self._asked.append(names)
        return SessionRunArgs(wanted)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Tells the monitors their values."""
        values = run_values.results or {}
        stops = [
            monitor.step_end(self._step, {name: values[name] for name in names})
            for monitor, names in zip(self._monitors, self._asked, strict=True)
        ]
        if any(stops):
            run_context.request_stop()
        for monitor in self._monitors:
            monitor.post_step(self._step, run_context.session)
        self._step += 1

    def end(self, session: Any) -> None:
        """Ends all monitors."""
        self._step = 0
        for monitor in self._monitors:
            monitor.end(session)


@public("contrib.learn.monitors.replace_monitors_with_hooks")
def replace_monitors_with_hooks(monitors_or_hooks: Any, estimator: Any) -> list[Any]:
    """Hooks as they are, and all monitors as one hook.

    Args:
      monitors_or_hooks: hooks and monitors, or None.
      estimator: told to the monitors.

    Raises:
      TypeError: one is neither.
    """
    given = list(monitors_or_hooks or ())
    monitors = [one for one in given if isinstance(one, BaseMonitor)]
    hooks = check_hooks([one for one in given if not isinstance(one, BaseMonitor)])
    for monitor in monitors:
        monitor.set_estimator(estimator)
    return [*hooks, RunHookAdapterForMonitors(monitors)] if monitors else hooks
