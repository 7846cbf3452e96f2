"""Where operations of a room are tested by rows, all of them are, or are named in a test of their own."""

import re
from pathlib import Path

import pytest

from millrace.graph._rooms import ROOMS

_TEXT = "\n".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))
_ROWS = set(re.findall(r'OpCase\(\s*"(\w+)"', _TEXT))


@pytest.mark.parametrize("room", sorted({ROOMS[op] for op in _ROWS if op in ROOMS}))
def test_every_operation_of_the_room_is_tested(room):
    declared = {op for op, where in ROOMS.items() if where == room}
    missing = sorted(op for op in declared - _ROWS if not re.search(rf"\b{op}\b", _TEXT))
    assert not missing, f"{room}: no test names {missing}"
