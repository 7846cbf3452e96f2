"""Arrays of one element as numbers, in a process of its own: the type is NumPy's own."""

import subprocess
import sys

import pytest

_PROGRAM = """
import numpy as np
from millrace.hook import old_numbers
print(old_numbers.restore(np.ndarray), old_numbers.restore(np.ndarray))
one = np.array([[2.5]])
rewards = np.zeros(3, np.float32)
rewards[1] = one
print(float(one), int(one), "%.2f %d" % (one, one[0]), rewards.tolist(), float(np.array(3)))
print(int(np.array([[7]])), float(np.array([True])), int(np.array(["12"])))
for wrong in (np.ones(2), np.ones(0), np.array(["x"])):
    try:
        float(wrong)
    except (TypeError, ValueError) as error:
        print(type(error).__name__)
try:
    rewards[0] = np.ones(2)
except ValueError as error:
    print(error)
"""


def _run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="slots are CPython's")
def test_an_array_of_one_element_is_a_number_again():
    assert _run(_PROGRAM) == [
        "True True",
        "2.5 2 2.50 2 [0.0, 2.5, 0.0] 3.0",
        "7 1.0 12",
        "TypeError",
        "TypeError",
        "ValueError",
        "setting an array element with a sequence.",
    ]


def test_what_lies_elsewhere_is_left_alone():
    moved = "from millrace.hook import old_numbers\nold_numbers._BEFORE_NUMBERS = 8\n"
    lines = _run(moved + "import numpy as np\nprint(old_numbers.restore(np.ndarray), float(np.array(2)))")
    assert lines[0].endswith("2.0")
