"""What programs of matplotlib 3.0 to 3.5 call, in a process of its own: the shims stay in modules."""

import subprocess
import sys

import pytest

PROGRAM = """
import matplotlib
matplotlib.use("Agg", warn=False)
import numpy as np
import matplotlib.pyplot as plt
from matplotlib import cm, mlab
from matplotlib.figure import Figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

figure = Figure(figsize=(1, 2), dpi=10, facecolor="red")
canvas = FigureCanvasAgg(figure)
canvas.draw()
picture = np.fromstring(canvas.tostring_rgb(), np.uint8).reshape(20, 10, 3)
assert picture[0, 0].tolist() == [255, 0, 0]
canvas.set_window_title("no window")

heights, _, _ = plt.hist([0.0, 0.0, 1.0], bins=2, normed=True)
assert np.allclose(heights, [4 / 3, 2 / 3])
plt.grid(b=True)
assert plt.gca().xaxis.get_gridlines()[0].get_visible()
plt.grid(b=False)
assert not plt.gca().xaxis.get_gridlines()[0].get_visible()
plt.stem([1], [2], use_line_collection=True)

flat = plt.gca()
deep = plt.figure().gca(projection="3d")
assert deep.name == "3d" and plt.gcf().gca(projection="3d") is deep and deep.w_xaxis is deep.xaxis
assert plt.gca() is plt.gca(projection="3d") is deep and flat.name == "rectilinear"

assert cm.get_cmap("jet", 4).N == 4 and cm.get_cmap(cm.get_cmap("jet")).name == "jet"
cm.register_cmap("mine", cm.get_cmap("jet"))
assert cm.get_cmap("mine").N == 256 and "mine" in cm.cmap_d
assert np.allclose(mlab.normpdf(1.0, 1.0, 2.0), 0.19947114)
plt.style.use("seaborn-whitegrid")
print("all there")
"""


def test_a_program_that_plots_as_before(tmp_path):
    pytest.importorskip("matplotlib")
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-W", "ignore", "-m", "millrace", "run", str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "all there\n", ran.stderr
