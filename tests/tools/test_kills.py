"""The tool that kills training sessions: one that was killed goes on with the bits of one that was not."""

import importlib.util
from pathlib import Path

import millrace as tf

SOURCE = Path(__file__).resolve().parents[2] / "tools" / "kills.py"


def tool():
    spec = importlib.util.spec_from_file_location("kills_under_test", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_sessions_go_on_with_the_same_bits():
    read, wrong, _ = tool().kill(tf, count=4, longest=0.3, seed=5)
    assert wrong == 0
    assert read <= 4


def test_stopped_session_goes_on_with_the_same_bits(tmp_path):
    kills = tool()
    whole, halves = str(tmp_path / "whole"), str(tmp_path / "halves")
    kills.train(tf, whole, 20)
    for last in (5, 13, 20):
        kills.train(tf, halves, last)
    assert kills.newest(tf, whole) == kills.newest(tf, halves)
    assert kills.newest(tf, whole)[0] == 20
