"""What every test starts from."""

import sys

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips tests that need an accelerator where there is none; jax is asked only when one is collected."""
    wanting = [item for item in items if item.get_closest_marker("device")]
    if not wanting:
        return
    import jax

    if jax.default_backend() == "cpu":
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


@pytest.fixture(autouse=True)
def fresh_default_graph():
    """Each test builds in a default graph of its own."""
    yield
    defaults = sys.modules.get("millrace.graph.defaults")
    if defaults is not None:
        import millrace as tf

        tf.reset_default_graph()
