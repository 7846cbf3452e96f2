"""Each page in docs/errors has a program that fails as it says, and one that does not."""

import pathlib
import re

import pytest

import millrace as tf
from millrace.core import errors

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "errors"
CLASSES = sorted(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.OpError) and not name.startswith("_")
)


def test_every_class_has_a_page():
    assert {page.stem for page in PAGES.glob("*.md")} == {*CLASSES, "README"}
    index = (PAGES / "README.md").read_text()
    for name in CLASSES:
        assert f"[{name}]({name}.md)" in index


@pytest.mark.parametrize("name", CLASSES)
def test_the_programs_do_what_the_page_says(name):
    failing, fixed = re.findall(r"```python\n(.*?)```", (PAGES / f"{name}.md").read_text(), re.DOTALL)
    with pytest.raises(getattr(tf.errors, name)):
        exec(compile(failing, f"{name}.md", "exec"), {})
    tf.reset_default_graph()
    exec(compile(fixed, f"{name}.md", "exec"), {})
