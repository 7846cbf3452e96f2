"""Cells: by name, freed by container."""

from __future__ import annotations

import numpy as np

from millrace.runtime.store import Store


class _Open:
    released = False

    def release(self) -> None:
        self.released = True


def test_a_cell_is_made_once_and_empty() -> None:
    store = Store()
    cell = store.cell("v")
    assert cell.value is None and cell.key == "v" and store.cell("v") is cell
    assert store.cell("w") is not cell and list(store.cells) == ["v", "w"]


def test_containers_are_freed_by_name() -> None:
    store = Store()
    for key in ("v", "a/v", "ab/v", "b/v"):
        store.cell(key).value = 1
    store.clear(("a", "b"))
    assert {key: cell.value for key, cell in store.cells.items()} == {
        "v": 1, "a/v": None, "ab/v": 1, "b/v": None,
    }  # fmt: skip
    store.clear()
    assert all(cell.value is None for cell in store.cells.values())


def test_what_is_open_is_closed() -> None:
    store, thing = Store(), _Open()
    store.cell("v").value = thing
    store.clear()
    assert thing.released and store.cell("v").value is None


def test_its_context_is_quiet_and_only_there() -> None:
    store = Store()
    with np.errstate(all="raise"):
        assert np.isinf(store.quiet.run(lambda: np.float32(1) / np.float32(0)))
        assert np.geterr()["divide"] == "raise"
