"""The tour: every step runs, what it says is so, and it fits a terminal of 80 columns."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from millrace.cli import main, plot
from millrace.cli.tour_steps import CHAPTERS


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """(what the tour prints through a pipe, where its pictures are)."""
    place = tmp_path_factory.mktemp("tour") / "pictures"
    command = [sys.executable, "-m", "millrace", "tour", "--fast", "--out", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout, place


def test_fits_eighty_columns_and_uses_no_escapes(walked):
    printed, _ = walked
    assert max(map(len, printed.splitlines())) <= 80
    assert "\x1b" not in printed


def test_shows_every_step_with_its_operations_and_result(walked):
    printed, _ = walked
    count = sum(len(chapter.steps) for chapter in CHAPTERS)
    for number in range(1, count + 1):
        assert f"{number}/{count}" in printed
    for chapter in CHAPTERS:
        assert f" {chapter.title} " in printed
    for shown in (
        "<tf.Tensor 'Add:0' shape=() dtype=float32>",
        "{'parts': [3.14, 1.414], 'all': (3.14, 1.414, 4.554)}",
        "19 new operations",
        "BroadcastGradientArgs",
        "None None",
        "session one holds 44 and session two 42",
    ):
        assert shown in printed


def test_shows_errors_as_lessons(walked):
    printed, _ = walked
    assert "FailedPreconditionError: Attempting to use uninitialized value Variable" in printed
    assert "InvalidArgumentError: You must feed a value" in printed
    assert "created at <step 8>:4" in printed


def test_finds_the_line(walked):
    printed, place = walked
    fitted = [line for line in printed.splitlines() if line.startswith("│ cups = ")][-1]
    offset, slope = float(fitted.split()[3]), float(fitted.split()[5])
    assert abs(offset - 420) < 6
    assert abs(slope - 9) < 0.4
    with Image.open(place / "tour.png") as image:
        assert image.size == (960, 600)
        pixels = np.asarray(image, dtype=int).reshape(-1, 3)
    for color in ((0xD9, 0x48, 0x0F), (0x5B, 0x8D, 0xEF)):  # the fitted line, the days
        assert (abs(pixels - color).max(1) < 12).sum() > 300
    assert (place / "tour.svg").read_text().startswith("<svg")


def test_says_where_it_cannot_write(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["tour", "--no-pause", "--out", str(tmp_path / "file")]) == 1
    assert "can't write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (-1.3, 1.2, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (100, 589, [100, 200, 300, 400, 500]),
        (0.0012, 0.0029, [0.0015, 0.002, 0.0025]),
    ],
)
def test_ticks_are_round(low, high, wanted):
    assert plot.ticks(low, high) == pytest.approx(wanted)


def test_plots_horizontal_and_steep_lines():
    points = plot.Points([0.0, 1.0], [0.0, 1.0], "points")
    for slope, offset in ((0.0, 0.5), (1000.0, -500.0), (0.0, 50.0)):
        image = plot.draw("t", "x", "y", [points, plot.Line(slope, offset, "line")])
        assert image.size == (960, 600)
