"""The recorded cases: one xz-compressed file of JSON lines for each group, arrays within.

    python tests/conformance/vectors.py RECORDED GROUP ...

packs groups as the recorder writes them (`GROUP.jsonl` beside `GROUP.npz`) into `cases/`.
"""

from __future__ import annotations

import base64
import json
import lzma
import pathlib
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

CASES = pathlib.Path(__file__).with_name("cases")


@dataclass(frozen=True)
class Case:
    """One snippet and what TensorFlow made of it.

    Attributes:
      name: group and name, "cast/float16_float16/const".
      spec: the code, the inputs, how they enter the graph, tolerances.
      gold: what was recorded: outputs, values, gradients, or the error, or the graph.
    """

    name: str
    spec: dict[str, Any]
    gold: dict[str, Any]

    def inputs(self) -> list[np.ndarray]:
        """The arrays that the snippet sees as x0, x1, ..."""
        return [unpacked(value) for value in self.spec.get("inputs", [])]


def groups() -> list[str]:
    """The names of all groups."""
    return sorted(path.name.removesuffix(".jsonl.xz") for path in CASES.glob("*.jsonl.xz"))


def load(group: str) -> list[Case]:
    """The cases of a group, in the order in which they were recorded."""
    with lzma.open(CASES / f"{group}.jsonl.xz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [Case(record["spec"]["id"], record["spec"], record["gold"]) for record in records]


def unpacked(value: Any) -> Any:
    """An array from how it is stored; strings are arrays of bytes objects; anything else stays itself."""
    if not isinstance(value, dict):
        return value
    if "bits" in value:
        flat = np.frombuffer(base64.b64decode(value["bits"]), np.dtype(value["dtype"]).newbyteorder("<"))
        return flat.astype(value["dtype"]).reshape(value["shape"])
    if "str" in value:
        texts = np.empty(len(value["str"]), object)
        texts[:] = [text.encode("latin-1") for text in value["str"]]
        return texts.reshape(value["shape"])
    return value["py"]


def _packed(value: Any, arrays: Any) -> Any:
    """`value` with the arrays that it names put in their places."""
    if isinstance(value, list):
        return [_packed(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("key"), str):
        array = np.asarray(arrays[value["key"]])
        bits = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "bits": base64.b64encode(bits).decode(),
        }
    return {k: _packed(v, arrays) for k, v in value.items()}


def pack(recorded: pathlib.Path, group: str) -> None:
    """Writes the file of one group."""
    path = recorded / f"{group}.npz"
    arrays = np.load(path) if path.exists() else {}
    lines = [
        json.dumps(_packed(json.loads(line), arrays), separators=(",", ":"))
        for line in (recorded / f"{group}.jsonl").read_text().splitlines()
    ]
    text = "\n".join(lines) + "\n"
    (CASES / f"{group}.jsonl.xz").write_bytes(lzma.compress(text.encode(), preset=9))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        pack(pathlib.Path(sys.argv[1]), name)
