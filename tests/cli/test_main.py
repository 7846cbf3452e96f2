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
