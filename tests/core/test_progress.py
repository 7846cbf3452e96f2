"""What takes long says so, once, and can be told not to."""

import io
import logging
import os
import subprocess
import sys
import time

import pytest

from millrace.core import progress, quiet


@pytest.fixture
def written(monkeypatch, capsys):
    """What has been written to stderr, with notices after a hundredth of a second."""
    monkeypatch.setenv("MILLRACE_PROGRESS", "1")
    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    return lambda: capsys.readouterr().err


def test_long_work_says_what_and_how_long(written):
    with progress.long_work("compiling 432 operations", 3.3):
        time.sleep(0.2)
    assert written() == "millrace: compiling 432 operations, about 3 s ...\n"


def test_short_work_says_nothing(written, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", 30.0)
    with progress.long_work("saving"):
        pass
    assert written() == ""


def test_the_switch_silences_it(written, monkeypatch):
    monkeypatch.setenv("MILLRACE_PROGRESS", "0")
    with progress.long_work("saving"):
        time.sleep(0.05)
    assert written() == ""


def test_errors_pass_and_a_terminal_gets_a_line_that_goes(written, monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(ValueError, match="mine"), progress.long_work("restoring x"):
        time.sleep(0.3)
        raise ValueError("mine")
    assert "restoring x" in out.getvalue()


@pytest.mark.xla
def test_backends_say_nothing_in_a_program_that_logs():
    program = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "import millrace as tf\n"
        "config = tf.ConfigProto()\n"
        "config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1\n"
        "x = tf.placeholder(tf.float32, [64, 64])\n"
        "tf.Session(config=config).run(tf.reduce_sum(tf.matmul(x, x)), {x: [[1.0] * 64] * 64})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "backend" not in done.stderr
    assert "jax" not in done.stderr


def test_a_program_that_chose_a_level_keeps_it(monkeypatch):
    logger = logging.getLogger("jax")
    before = logger.level
    try:
        logger.setLevel(logging.DEBUG)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
        quiet.quiet_backends()
        assert logger.level == logging.DEBUG
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    finally:
        logger.setLevel(before)


def test_what_a_program_draws_is_the_same_whenever_jax_is_imported():
    program = (
        "import numpy as np\n"
        "np.random.seed(1)\n"
        "import millrace.dialect.jax\n"
        "import jax\n"
        "assert np.random.rand() == np.random.RandomState(1).rand()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
