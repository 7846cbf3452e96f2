"""What a browser makes of a graph in a notebook's page: it fits 720 pixels, in the light and in the dark."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import millrace as tf

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH, HEIGHT = 720, 900
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def screenshot(folder, *options):
    """The page as pixels, 0 to 255."""
    page, picture = folder / "page.html", folder / "page.png"
    page.write_text(f"<body style='margin:8px'>{tf.get_default_graph()._repr_html_()}</body>")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{HEIGHT}"]
    command += [f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def wide_graph():
    for i in range(30):
        tf.identity(tf.placeholder(tf.float32, [None, 32], name=f"feed_{i}"), name=f"taken_{i}")


@pytest.mark.parametrize("dark", [False, True])
def test_a_wide_graph_fits_and_follows_the_screen(dark, tmp_path):
    wide_graph()
    options = ["--blink-settings=preferredColorScheme=0"] if dark else []
    pixels = screenshot(tmp_path, *options)
    picture = pixels[60:200, 20:700]
    assert (picture.mean() < 100) == dark
    assert picture.std() > 10  # something is drawn
    assert pixels[60:, WIDTH - 4 :].min() > 250  # and nothing hangs over the edge
