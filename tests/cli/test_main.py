"""What the command says about itself; `run`, `graph` and `explain` are tested with what they do."""

import subprocess
import sys

import pytest

import millrace
from millrace.cli import main


def run(*arguments):
    """What the command says in a process of its own."""
    return subprocess.run([sys.executable, "-m", "millrace", *arguments], capture_output=True, text=True)


def test_says_its_version(capsys):
    assert main(["--version"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"millrace {millrace.MILLRACE_VERSION}"
    assert [line.split()[0] for line in others] == ["python", "numpy", "jax", "jaxlib", "devices:"]
    assert "CPU:0" in others[-1]


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


def test_messages_name_the_subcommand(capsys):
    for command in ("graph", "explain", "doctor"):
        assert main([command, "nofile.py"]) == 2
        assert f"millrace {command}: can't open 'nofile.py'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["run"])
    assert "millrace run: error: what to run?" in capsys.readouterr().err


@pytest.mark.parametrize("nodes", ["-5", "0"])
def test_sizes_are_positive(nodes, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["graph", "-n", nodes, "x.py"])
    assert "is not a positive number" in capsys.readouterr().err


def test_files_that_cannot_be_written_are_refused_before_the_script_runs(tmp_path, capsys):
    script = tmp_path / "model.py"
    script.write_text("raise SystemExit('it ran')\n")
    for output in ("x.gif", str(tmp_path / "none" / "x.svg"), f"{tmp_path}/"):
        assert main(["graph", "-o", output, str(script)]) == 2
        assert "it ran" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<svg"), ("html", b"<!doctype"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_a_picture_is_what_its_name_says(ending, start, tmp_path):
    if ending in ("png", "pdf"):
        pytest.importorskip("cairosvg")
    script, output = tmp_path / "model.py", tmp_path / f"out.{ending}"
    script.write_text("import tensorflow as tf\ntf.constant(1.0)\n")
    done = run("graph", "-o", str(output), str(script))
    assert done.returncode == 0
    assert done.stderr == f"{output}: 1 operation\n"
    assert output.read_bytes().startswith(start)


def test_check_numerics_stops_where_it_begins(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import tensorflow as tf\nx = tf.placeholder(tf.float32, [])\n"
        "y = tf.log(x, name='bad') + 1.0\ntf.Session().run(y, {x: 0.0})\n"
    )
    done = run("run", "--check-numerics", str(script))
    assert done.returncode == 1
    assert "in Log 'bad', created at program.py:3" in done.stderr
    assert run("run", str(script)).returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "doctor" in text
    assert "check-numerics" in text
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "millrace", "error"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "millrace: can't write: No space left on device\n"


def test_a_reader_that_goes_away():
    process = subprocess.Popen(
        [sys.executable, "-m", "millrace", "error"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() in (0, 141)
    process.stderr.close()
