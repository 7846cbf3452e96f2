"""The generator on small source trees of its own."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "tools" / "gen_api.py"


@pytest.fixture
def generator(tmp_path, monkeypatch) -> ModuleType:
    """The generator, reading a package at tmp_path/src/millrace."""
    spec = importlib.util.spec_from_file_location("gen_api_under_test", SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "gen_api_under_test", module)
    spec.loader.exec_module(module)
    package = tmp_path / "src" / "millrace"
    for folder in ("ops", "graph", "api"):
        (package / folder).mkdir(parents=True)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PACKAGE", package)
    return module


def run(generator, **files):
    """Generates from `files` (room name to text); returns ({path: text}, problems)."""
    for name, text in files.items():
        (generator.PACKAGE / "ops" / f"{name}.py").write_text(text)
    problems = generator.Problems()
    made = generator.generate(problems)
    return {str(p.relative_to(generator.PACKAGE)): t for p, t in made.items()}, list(problems)


def test_three_spellings(generator):
    files, problems = run(
        generator,
        math='@public("add", "math.add")\ndef add(x): ...\n'
        'E = public("math.E")(2.7)\n'
        'def neg(x): ...\npublic("negative")(neg)\n',
    )
    assert not problems
    assert '"millrace.ops.math": "add negative=neg",' in files["api/__init__.py"]
    assert "from millrace.ops.math import neg as negative" in files["api/__init__.pyi"]
    assert '"millrace.ops.math": "E add",' in files["api/math.py"]
    assert '"math",\n' in files["api/_namespaces.py"]


def test_nested_namespaces_become_packages(generator):
    files, _ = run(generator, nn='@public("contrib.layers.relu", "contrib.eager")\ndef relu(x): ...\n')
    assert (
        'children=("layers", "slim",)' in files["api/contrib/__init__.py"]
    )  # slim has other names of others
    assert "api/contrib/layers.py" in files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\n@public(name)\ndef f(): ...\n', "string literals only"),
        ('@public("a-b")\ndef f(): ...\n', "dotted identifiers"),
        ('def f():\n    public("a")(1)\n', "module level"),
        ('public("a")(1)\n', "plain name"),
        ('@public("a")\ndef f(): ...\n@public("a")\ndef g(): ...\n', "tf.a is exported twice"),
        ('@public("a")\ndef f(): ...\n@public("a.b")\ndef g(): ...\n', "both a namespace and"),
        ('@public("ops.f")\ndef f(): ...\n', "must differ"),
        ("def f(:\n", "invalid syntax"),
    ],
)
def test_problems_are_named_and_hold_up_nobody(generator, text, message):
    files, problems = run(generator, good='@public("fine")\ndef fine(): ...\n', bad=text)
    assert len(problems) == 1
    assert message in problems[0]
    assert '"millrace.ops.good": "fine"' in files["api/__init__.py"]


def test_rooms_and_stub(generator):
    files, problems = run(
        generator,
        math='@declare("Add(x: T, y: T) -> z: T", T=NUMERIC)\nclass Add: ...\n'
        'Sin = unary("Sin", FLOATING)\n'
        'T = TypeVar("T")\n@public("Grid")\nclass Grid: ...\n',
        flow='@declare("NoOp()")\nclass NoOp: ...\n'
        '@declare("Split(axis: int32, value: T) -> output: N*T")\nclass Split: ...\n'
        '@declare("Top(in: T) -> v: T, i: int32")\nclass Top: ...\n'
        '@declare("If(cond: bool, args: Tin) -> outputs: Tout", Tin=types(), Tout=types())\nclass If: ...\n',
    )
    assert not problems
    rooms = {}
    exec(files["graph/_rooms.py"], rooms)
    flow, math = "millrace.ops.flow", "millrace.ops.math"
    assert rooms["ROOMS"] == {"Add": math, "If": flow, "NoOp": flow, "Sin": math, "Split": flow, "Top": flow}
    stub = files["building/raw.pyi"]
    tail = "name: str | None = None, **attrs: Anything"
    assert f"def Add(x: Anything, y: Anything, /, *, {tail}) -> Tensor: ...\n" in stub
    assert f"def NoOp(*, {tail}) -> Operation: ...\n" in stub
    assert f"def Sin(*inputs: Anything, {tail}) -> Anything: ...\n" in stub
    assert f"def Split(axis: Anything, value: Anything, /, *, {tail}) -> list[Tensor]: ...\n" in stub
    assert f"def If(cond: Anything, args: Anything, /, *, {tail}) -> list[Tensor]: ...\n" in stub
    assert f"def Top(in_: Anything, /, *, {tail}) -> Anything: ...\n" in stub


def test_ops_declared_twice_are_named(generator):
    declared = '@declare("Add(x: T) -> y: T")\nclass Add: ...\n'
    assert run(generator, a=declared, b=declared)[1] == [
        "op Add is declared twice: in millrace.ops.a and in millrace.ops.b"
    ]


def test_output_depends_on_the_source_alone(generator):
    text = '@public("b", "a", "x.y")\ndef f(): ...\n'
    assert run(generator, one=text) == run(generator, one=text)
