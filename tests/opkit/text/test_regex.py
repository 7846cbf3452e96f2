r"""RE2 patterns against results recorded from TensorFlow 1.15.

Each pattern has the full matches of all texts as a row of 0 and 1, and the texts that differ after replacing
every match, and the first match, by `<\0>`. A pattern without results is one that RE2 refuses.
"""

import json
import pathlib
import time
import warnings

import numpy as np
import pytest

from millrace.core.errors import InvalidArgumentError
from millrace.opkit.text import regex
from millrace.opkit.text.pieces import objects

GOLDEN = json.loads(pathlib.Path(__file__).with_name("regex_golden.json").read_text())
TEXTS = objects([text.encode("latin-1") for text in GOLDEN["texts"]])


def changed(changes):
    return [changes.get(str(i), text).encode("latin-1") for i, text in enumerate(GOLDEN["texts"])]


@pytest.mark.parametrize("case", GOLDEN["patterns"], ids=[case[0] for case in GOLDEN["patterns"]])
def test_pattern(case):
    pattern, matches, *replaced = case
    pattern = pattern.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Python warns about patterns whose meaning it may change
        if matches is None:
            with pytest.raises(InvalidArgumentError, match="Invalid pattern"):
                regex.full_match(TEXTS, pattern)
            return
        assert "".join("01"[int(found)] for found in regex.full_match(TEXTS, pattern)) == matches
        assert regex.replace(TEXTS, pattern, rb"<\0>").tolist() == changed(replaced[0])
        assert regex.replace(TEXTS, pattern, rb"<\0>", replace_global=False).tolist() == changed(replaced[1])


@pytest.mark.parametrize(
    "case", GOLDEN["rewrites"], ids=[f"{case[0]}_{case[1]}" for case in GOLDEN["rewrites"]]
)
def test_rewrite(case):
    pattern, rewrite, everywhere, once = case
    assert regex.replace(TEXTS, pattern.encode(), rewrite.encode()).tolist() == changed(everywhere)
    assert regex.replace(TEXTS, pattern.encode(), rewrite.encode(), False).tolist() == changed(once)


def test_bytes_that_are_no_text_survive():
    strings = objects([b"\xff\xfea\xff"])
    assert regex.replace(strings, b"a", b"b").tolist() == [b"\xff\xfeb\xff"]
    assert not regex.full_match(strings, b".*")[0]


def test_shapes():
    strings = np.full((2, 0, 3), b"a", object)
    assert regex.replace(strings, b"a", b"b").shape == (2, 0, 3)
    assert regex.full_match(np.array(b"a", object), b"a").shape == ()


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_patterns_take_linear_time(pattern):
    pytest.importorskip("re2")
    texts = np.array([b"a" * 28 + b"!", b"a" * 5000], object)
    started = time.process_time()
    regex.full_match(texts, pattern.encode())
    regex.replace(texts, pattern.encode(), b"")
    assert time.process_time() - started < 1


def test_without_re2(monkeypatch):
    monkeypatch.setattr(regex.linear, "compiled", lambda pattern: None)
    texts = np.array([b"aab", "\xe9x".encode(), b"\xff"], object)
    assert regex.full_match(texts, b"a+b|.x").tolist() == [True, True, False]
    assert regex.replace(texts, b"a|x", b"<\\0>").tolist() == [b"<a><a>b", "\xe9<x>".encode(), b"\xff"]
