"""Sessions that need other interpreters or versions than the working copy's; `.ci/run` does without them.

nox -s tests-3.13       the tests on one Python; `nox -s tests` on all that are installed
nox -s lowest           the tests on the oldest dependencies that pyproject.toml allows
nox -s coverage         coverage of the tests that compile nothing, with its floor
nox -s mutants          which small changes of the core no test notices
nox -s mypy             that the package's types reach a user of mypy
"""

import nox

nox.options.default_venv_backend = "uv|virtualenv"


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """The README's test command."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The oldest versions of what the package depends on itself."""
    session.install("--resolution", "lowest-direct", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """The floor is in pyproject.toml."""
    session.install(".[test]", "pytest-cov")
    session.run("python", "-m", "pytest", "-q", "-n", "2", "-m", "not xla and not slow", "--cov")


@nox.session(python="3.11")
def mutants(session: nox.Session) -> None:
    """Mutation testing of the core, a sample of each file; hours for all mutants."""
    session.install(".[test]", "cosmic-ray>=8.4")
    session.run("python", "tools/mutate.py", *session.posargs)


@nox.session(python="3.11")
def mypy(session: nox.Session) -> None:
    """A user's program under mypy: what public functions return is known."""
    session.install(".", "mypy")
    session.run("mypy", "tests/typing_program.py")
