"""Methods, functions and modules that old programs use, in a process of its own: some classes are C's."""

import subprocess
import sys

PROGRAM = """
import array, html.parser, inspect, tarfile, threading
import xml.etree.ElementTree as ET
import numpy as np
import scipy, scipy.sparse, scipy.signal, scipy.integrate
from scipy.sparse.linalg.eigen.arpack import eigsh
from numpy.testing.utils import assert_allclose
from PIL import Image, ImageDraw, ImageFont

assert np.arange(3, dtype=np.int8).tostring() == b"\\0\\1\\2" and np.float32(1).tostring() == b"\\0\\0\\x80?"
table = np.zeros((2, 2))
table.itemset((0, 1), 3); table.itemset(2, 4); table.itemset(1, 1, 5)
assert table.tolist() == [[0, 3], [4, 5]] and table.ptp() == 5
assert np.array([1], np.int16).newbyteorder().tolist() == [256]
assert np.alen([1, 2]) == 2 and np.alen(3) == 1 and np.obj2sctype("f4") is np.float32
assert np.issctype(np.int32) and not np.issctype(3) and np.sctype2char(float) == "d"
assert np.issubsctype(np.ones(1), np.floating) and np.sctypes["float"][0] is np.float16
assert np.fastCopyAndTranspose(np.ones((2, 3))).shape == (3, 2) and str(np.NZERO) == "-0.0"

assert array.array("b", [1]).tostring() == b"\\1"
letters = array.array("b"); letters.fromstring(b"\\2"); assert list(letters) == [2]
tree = ET.fromstring("<a><b/><c/></a>")
assert [e.tag for e in tree.getchildren()] == ["b", "c"] and len(tree.getiterator("b")) == 1
assert html.parser.HTMLParser().unescape("&lt;") == "<" and not threading.Thread().isAlive()
assert inspect.formatargspec(["a", "b"], "c", "d", (1,)) == "(a, b=1, *c, **d)"
assert tarfile.filemode(0o100644) == "-rw-r--r--"

assert scipy.sparse.csr_matrix(np.eye(2)).A.tolist() == np.eye(2).tolist()
assert scipy.sparse.coo_matrix([[1j]]).H.A.tolist() == [[-1j]]
assert scipy.array([1]).tolist() == [1] and scipy.sqrt(4.0) == 2
assert scipy.signal.hann(3).tolist() == [0, 1, 0] and scipy.integrate.simps([1, 2, 3]) == 4

font = ImageFont.load_default()
draw = ImageDraw.Draw(Image.new("L", (9, 9)))
left, top, right, bottom = draw.textbbox((0, 0), "ab", font)
assert draw.textsize("ab", font) == (int(right - left), int(bottom)) == draw.textsize("ab")
assert font.getsize("ab")[1] > 0 and Image.ANTIALIAS == Image.LANCZOS and Image.isImageType(draw._image)
print("all there")
"""


def test_a_program_that_uses_what_is_gone(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-W", "ignore", "-m", "millrace", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "all there\n", done.stderr


def test_what_is_explained():
    from millrace.hook import shims

    told = "\n".join(shims.explain())
    assert "numpy.ndarray.tostring: gone since NumPy 2.3" in told
    assert "scipy.sparse.linalg.eigen.arpack (module): scipy.sparse.linalg has it" in told


def test_kinds_of_numbers_on_request(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nprint(np.issubdtype(np.float32, float), np.issubdtype('i4', np.int32))\n"
    )
    command = [sys.executable, "-m", "millrace", "run", "--shims", "default,numpy-kinds", str(script)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True True\n"
