"""What a browser makes of a graph: it fits 720 pixels, light or dark, and unfolds where it stands."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import millrace as tf
from millrace.drawing import picture

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH, HEIGHT = 720, 900
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def screenshot(folder, *options):
    """The page as pixels, 0 to 255."""
    page, shot = folder / "page.html", folder / "page.png"
    page.write_text(f"<body style='margin:8px'>{tf.get_default_graph()._repr_html_()}</body>")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{HEIGHT}"]
    command += [f"--screenshot={shot}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Image.open(shot) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def wide_graph():
    for i in range(30):
        tf.identity(tf.placeholder(tf.float32, [None, 32], name=f"feed_{i}"), name=f"taken_{i}")


@pytest.mark.parametrize("dark", [False, True])
def test_a_wide_graph_fits_and_follows_the_screen(dark, tmp_path):
    wide_graph()
    options = ["--blink-settings=preferredColorScheme=0"] if dark else []
    pixels = screenshot(tmp_path, *options)
    middle = pixels[60:200, 20:700]
    assert (middle.mean() < 100) == dark
    assert middle.std() > 10  # something is drawn
    assert pixels[60:, WIDTH - 4 :].min() > 250  # and nothing hangs over the edge


_CLICKS = """<script>
const pause = () => new Promise(done => setTimeout(done, 150));
const at = box => [Math.round(box.getBoundingClientRect().left), Math.round(box.getBoundingClientRect().top)];
const click = box => box.dispatchEvent(new MouseEvent("click", {bubbles: true}));
(async () => {
  await pause();
  const seen = {stills: document.querySelectorAll("img,details").length};
  const closed = document.querySelector('[data-scope="wide"]');
  seen.before = at(closed);
  click(closed);
  await pause();
  const open = document.querySelector('[data-open="wide"]');
  seen.inside = [...document.querySelectorAll("text")].filter(t => t.textContent.includes("taken_")).length;
  seen.after = at(open);
  click(open);
  await pause();
  seen.folded = document.querySelector('[data-scope="wide"]') !== null;
  document.body.dataset.seen = JSON.stringify(seen);
})();
</script>"""


def browsed(folder, page):
    """What `_CLICKS` saw on the page."""
    file = folder / "page.html"
    file.write_text(page)
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
    command += [f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True)
    return json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', done.stdout)[1]))


@pytest.mark.parametrize("where", ["notebook", "page"])
def test_a_click_unfolds_a_scope_where_it_stands_and_folds_it_again(where, tmp_path):
    x = tf.placeholder(tf.float32, [None, 32], name="x")
    with tf.name_scope("wide"):
        for i in range(60):
            tf.identity(x, name=f"taken_{i}")
    if where == "page":
        text = picture.page(tf.get_default_graph()).replace("</body>", f"{_CLICKS}</body>")
    else:
        text = f"<body>{tf.get_default_graph()._repr_html_()}{_CLICKS}</body>"
    seen = browsed(tmp_path, text)
    assert seen["stills"] == 0  # pictures for readers without scripts are gone
    assert seen["inside"] == 60
    assert abs(seen["before"][1] - seen["after"][1]) < 12  # its place on the screen stays
    assert seen["folded"]
