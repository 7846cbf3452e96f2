"""What a person sees of an error: their own lines, and how to see the rest."""

import os
import subprocess
import sys
import textwrap

import pytest

import millrace as tf
from millrace.hook import tracebacks

ADD = """import millrace as tf
a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
c = a + b
def go(sess):
    sess.run(c, {a: [1, 2, 3], b: [1, 2]})
go(tf.Session())
"""
CALLED = """import millrace as tf
def mine(value):
    return {}["missing"]
tf.Session().run(tf.py_func(mine, [1.0], tf.float32))
"""


def printed(tmp_path, source, **environment):
    script = tmp_path / "program.py"
    script.write_text(source)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 1
    return done.stderr


def test_scripts_show_their_own_lines_only(tmp_path):
    text = printed(tmp_path, ADD, MILLRACE_TRACEBACK="")
    files = [line for line in text.splitlines() if line.startswith("  File ")]
    assert len(files) == 2
    assert all("program.py" in line for line in files)
    assert text.count("Traceback") == 1
    assert "MILLRACE_TRACEBACK=full" in text
    assert "created at program.py:3" in text


def test_everything_is_shown_when_asked_for(tmp_path):
    text = printed(tmp_path, ADD, MILLRACE_TRACEBACK="full")
    assert "executable.py" in text
    assert "<millrace plan 0>" in text
    assert "hidden" not in text


def test_a_function_of_the_program_keeps_its_lines(tmp_path):
    text = printed(tmp_path, CALLED, MILLRACE_TRACEBACK="")
    assert 'return {}["missing"]' in text
    assert text.count("Traceback") == 2  # of the run, and of the function in the message
    assert "script.py" not in text


def test_errors_of_the_program_itself_are_left_alone(tmp_path):
    text = printed(tmp_path, "import millrace\n1 / 0\n", MILLRACE_TRACEBACK="")
    assert "hidden" not in text


def test_shorten_keeps_the_programs_frames_and_causes():
    def failing(value):
        raise KeyError("mine")

    y = tf.py_func(failing, [1.0], tf.float32)
    with tf.Session() as sess, pytest.raises(tf.errors.UnknownError) as caught:
        sess.run(y)
    assert tracebacks.shorten(caught.value) > 0
    trace = caught.value.__traceback__
    while trace is not None:
        assert trace.tb_frame.f_code.co_filename == __file__
        trace = trace.tb_next
    assert tracebacks.shorten(caught.value) == 0


def test_generated_source_can_be_looked_at():
    import linecache

    tf.Session().run(tf.constant([1.0]) + tf.placeholder_with_default([1.0], [1]))
    units = [name for name in linecache.cache if name.startswith("<millrace plan")]
    assert units
    assert any("def run(" in "".join(linecache.getlines(unit)) for unit in units)


def test_notebooks_name_the_cell(tmp_path):
    pytest.importorskip("IPython")
    cells = [
        "import millrace as tf",
        "a = tf.placeholder(tf.float32)\n\nb = a + tf.constant([1.0, 2.0])",
        "tf.Session().run(b, {a: [1, 2, 3]})",
    ]
    program = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.colors = 'NoColor'\n"
        f"for cell in {cells!r}:\n    shell.run_cell(cell, store_history=True)\n"
    )
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "MILLRACE_TRACEBACK": ""}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert "created at cell 2, line 3" in done.stdout
    assert "executable.py" not in done.stdout
    assert "MILLRACE_TRACEBACK=full" in done.stdout


def test_pytest_shows_no_library_frames(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n" + textwrap.indent(ADD, "    "))
    command = [sys.executable, "-m", "pytest", "-p", "millrace.hook.pytest_plugin", "-q", str(tmp_path)]
    environment = {**os.environ, "MILLRACE_TRACEBACK": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # an installed millrace offers the plugin by itself
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert "executable.py" not in done.stdout
    assert "Incompatible shapes" in done.stdout
