"""What every test starts from, and the check that the whole suite has run every operation."""

import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_PLANNED: set[str] = set()  # the types of the operations that some test of this process has planned to run

# A slow or busy machine is no reason for a test to fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Notes which operations run; keeps what tests compile out of the user's cache folder."""
    os.environ.setdefault("MILLRACE_CACHE", "0")
    os.environ.setdefault(
        "MILLRACE_PROGRESS", "0"
    )  # what a slow machine would say is none of the tests' matter
    from millrace.runtime.plan.planner import Step

    make = Step.__init__

    def noting(self: Step, op: Any, *args: Any, **kwargs: Any) -> None:
        _PLANNED.add(op.type)
        make(self, op, *args, **kwargs)

    Step.__init__ = noting


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips tests that need an accelerator where there is none; jax is asked only when one is collected."""
    wanting = [item for item in items if item.get_closest_marker("device")]
    if not wanting:
        return
    import jax

    if jax.default_backend() == "cpu":
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


@pytest.fixture(autouse=True)
def fresh_process():
    """Each test builds in a default graph of its own; scripts leave no hook and no `__main__` behind."""
    main, finders = sys.modules["__main__"], sys.meta_path.copy()
    yield
    sys.modules["__main__"] = main
    if sys.meta_path != finders and "millrace.hook.finder" in sys.modules:
        sys.modules["millrace.hook.finder"].uninstall()
    defaults = sys.modules.get("millrace.graph.defaults")
    if defaults is not None:
        import millrace as tf

        tf.reset_default_graph()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Takes over what a worker of pytest-xdist has noted."""
    _PLANNED.update(getattr(node, "workeroutput", {}).get("planned", ()))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails a run of the whole suite that has left out an operation."""
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["planned"] = sorted(_PLANNED)
    elif exitstatus == pytest.ExitCode.OK and _is_whole(session.config) and _never_run():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Names the operations that no test has run."""
    if _is_whole(config) and _never_run():
        terminalreporter.section("operations that no test runs")
        terminalreporter.line(" ".join(_never_run()))


def _is_whole(config: pytest.Config) -> bool:
    """True where nothing was selected by path, keyword or mark."""
    option = config.option
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return not (named or option.keyword or option.collectonly or option.markexpr != "not slow")


def _never_run() -> list[str]:
    from millrace.graph import opdef
    from millrace.graph._rooms import ROOMS

    planned = {name for name in ROOMS if name not in _PLANNED}
    return sorted(name for name in planned if opdef.lookup(name).kernel is not None)
