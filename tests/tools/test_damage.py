"""A few of the damages of `tools/damage.py`, which has them by the thousand."""

import importlib.util
import pathlib
import random

import pytest

import millrace as tf

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "damage.py"
spec = importlib.util.spec_from_file_location("damage", SOURCE)
damage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(damage)


@pytest.mark.parametrize("kind", damage.KINDS)
def test_flipped_bits_are_found_out(kind):
    seen = damage.flip(tf, kind, 40, random.Random(1))
    assert seen["DataLossError"] >= 30
    assert not [name for name in seen if name.startswith("WRONG")]


@pytest.mark.parametrize("place", damage.PLACES)
def test_places_that_refuse_lose_nothing(place, tmp_path):
    error = damage.save_into(tf, place, tmp_path)
    if place == "full disk":
        assert error == "OutOfRangeError"
    if place == "a file for a folder":
        assert error == "ValueError"


def test_two_writers_do_not_mix(tmp_path):
    assert damage.two_writers(tf, str(tmp_path), 4)
