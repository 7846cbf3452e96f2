"""What the command says about itself; `run`, `graph` and `explain` are tested with what they do."""

import pytest

import millrace
from millrace.cli import main


def test_says_its_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"millrace {millrace.MILLRACE_VERSION}\n"


def test_without_a_command_shows_what_there_is(capsys):
    assert main([]) == 2
    shown = capsys.readouterr().out
    for command in ("tour", "run", "graph", "explain"):
        assert f"\n    {command} " in shown


def test_unknown_commands_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["walk"])
    assert "invalid choice: 'walk'" in capsys.readouterr().err


def test_explains_errors(capsys):
    assert main(["error", "tf.errors.OutOfRangeError"]) == 0
    assert "one pass" in capsys.readouterr().out.lower()
    assert main(["error"]) == 0
    assert "InvalidArgumentError" in capsys.readouterr().out
    assert main(["error", "OutOfRagneError"]) == 2
    assert "did you mean OutOfRangeError?" in capsys.readouterr().err
