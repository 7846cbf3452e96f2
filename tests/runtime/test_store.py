"""Slots: by name, freed by container."""

from __future__ import annotations

import numpy as np

from millrace.runtime.store import Store


class _Open:
    released = False

    def release(self) -> None:
        self.released = True


def test_a_slot_is_made_once_and_empty() -> None:
    store = Store()
    slot = store.slot("v")
    assert slot.value is None and slot.key == "v" and store.slot("v") is slot
    assert store.slot("w") is not slot and list(store.slots) == ["v", "w"]


def test_containers_are_freed_by_name() -> None:
    store = Store()
    for key in ("v", "a/v", "ab/v", "b/v"):
        store.slot(key).value = 1
    store.clear(("a", "b"))
    assert {key: slot.value for key, slot in store.slots.items()} == {
        "v": 1, "a/v": None, "ab/v": 1, "b/v": None,
    }  # fmt: skip
    store.clear()
    assert all(slot.value is None for slot in store.slots.values())


def test_what_is_open_is_closed() -> None:
    store, thing = Store(), _Open()
    store.slot("v").value = thing
    store.clear()
    assert thing.released and store.slot("v").value is None


def test_its_context_is_quiet_and_only_there() -> None:
    store = Store()
    with np.errstate(all="raise"):
        assert np.isinf(store.quiet.run(lambda: np.float32(1) / np.float32(0)))
        assert np.geterr()["divide"] == "raise"
