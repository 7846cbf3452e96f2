"""The tool that kills training sessions: one that was killed goes on with the bits of one that was not."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import millrace as tf

SOURCE = Path(__file__).resolve().parents[2] / "tools" / "kills.py"


def tool():
    spec = importlib.util.spec_from_file_location("kills_under_test", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_sessions_go_on_with_the_same_bits():
    # In a process of its own: it forks, which threads of other tests' sessions do not survive.
    command = [sys.executable, str(SOURCE), "--count", "4", "--longest", "0.6", "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("4 kills,") and ", 0 with other bits," in done.stdout, done.stderr


def test_stopped_session_goes_on_with_the_same_bits(tmp_path):
    kills = tool()
    whole, halves = str(tmp_path / "whole"), str(tmp_path / "halves")
    kills.train(tf, whole, 20)
    for last in (5, 13, 20):
        kills.train(tf, halves, last)
    assert kills.newest(tf, whole) == kills.newest(tf, halves)
    assert kills.newest(tf, whole)[0] == 20
