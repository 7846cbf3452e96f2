"""Golden vectors: what TensorFlow 1.15 (and for the group `graph_structure` 1.0.1) gave for short programs.

`differences.json` names every case that comes out otherwise, with the reason. A case that is not listed must
agree, and one that is listed must still differ. The compiled tier runs every tenth case; `-m slow` runs all.
"""

from __future__ import annotations

import pytest

import millrace as tf
from conformance import differences, vectors
from conformance.judge import faults
from conformance.replay import graph_of, replay

# snippets leave temporary folders and files to the collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_PART = 200  # cases in a test: small enough to share among workers
_SIZES = {group: len(vectors.load(group)) for group in vectors.groups()}
_PARTS = [(group, start) for group, size in _SIZES.items() for start in range(0, size, _PART)]
_KNOWN = differences.load()
# Snippets that write files leave their folders to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")


def _check(cases: list[vectors.Case], known: dict[str, str]) -> None:
    found = {case.name: wrong for case in cases if (wrong := faults(case, replay(case)))}
    news = [f"{name}\n    " + "\n    ".join(wrong[:4]) for name, wrong in found.items() if name not in known]
    gone = [case.name for case in cases if case.name in known and case.name not in found]
    assert not news, f"{len(news)} cases differ from TensorFlow:\n" + "\n".join(news)
    assert not gone, f"these agree by now, take them out of differences.json: {gone}"


@pytest.fixture
def interpreted(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")


@pytest.fixture
def compiled(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "compile")


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("group", "start"), _PARTS)
def test_interpreted(group, start):
    _check(vectors.load(group)[start : start + _PART], _KNOWN)


def _compiled_cases(group: str) -> list[vectors.Case]:
    """Cases that run something: graphs and errors while building are the same in both tiers."""
    return [c for c in vectors.load(group) if "graph" not in c.gold and c.gold.get("phase") != "build"]


@pytest.mark.xla
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("group", _SIZES)
def test_compiled_sample(group):
    _check(_compiled_cases(group)[::10], differences.load("compiled"))


@pytest.mark.xla
@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("group", "start"), _PARTS)
def test_compiled(group, start):
    _check(_compiled_cases(group)[start : start + _PART], differences.load("compiled"))


@pytest.mark.parametrize(("group", "start"), _PARTS)
def test_graphdef_round_trip(group, start):
    changed = {}
    for case in vectors.load(group)[start : start + _PART]:
        written = graph_of(case).as_graph_def()
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(tf.GraphDef.FromString(written.SerializeToString()), name="")
        again = graph.as_graph_def()
        before, after = ({node.name: node for node in d.node} for d in (written, again))
        if before != after or written.library != again.library:
            changed[case.name] = [name for name in before | after if before.get(name) != after.get(name)][:5]
    assert not changed


def test_every_difference_names_a_case_and_a_reason():
    names = {case.name for group in vectors.groups() for case in vectors.load(group)}
    assert not [name for name in (*_KNOWN, *differences.load("compiled")) if name not in names]
    assert all(len(reason) > 10 for reason in _KNOWN.values())


def test_the_page_of_differences_is_fresh():
    assert differences.PAGE.read_text() == differences.page(), "run python tests/conformance/differences.py"
