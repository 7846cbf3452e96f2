"""`tf.contrib.learn.graph_actions`: fetches of the default graph, from a checkpoint or from the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.variables.sets import global_variables_initializer, local_variables_initializer
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.coordination.coordinator import Coordinator
from millrace.training.coordination.queue_runner import start_queue_runners


@public("contrib.learn.graph_actions.run_feeds_iter")
def run_feeds_iter(
    output_dict: dict[str, Any], feed_dicts: Iterable[Any], restore_checkpoint_path: Any = None
) -> Iterator[dict[str, Any]]:
    """The values of tensors for one feed after another.

    Args:
      output_dict: tensors by name, of one graph.
      feed_dicts: the feeds, None for nothing fed.
      restore_checkpoint_path: where variables come from; default: their initializers.

    Raises:
      ValueError: there is nothing to fetch.
    """
    if not output_dict:
        raise ValueError(f"output_dict is invalid: {output_dict}.")
    graph: Graph = next(iter(output_dict.values())).graph
    with graph.as_default():
        if restore_checkpoint_path is None:
            begin, restore = global_variables_initializer(), None
        else:
            begin, restore = None, Saver()
        started = [local_variables_initializer(), tables_initializer()]
        with Session() as session:
            if restore is None:
                session.run(begin)
            else:
                restore.restore(session, restore_checkpoint_path)
            session.run(started)
            coordinator = Coordinator()
            threads = (
                start_queue_runners(session, coordinator) if graph.get_collection("queue_runners") else []
            )
            try:
                for feed in feed_dicts:
                    yield session.run(output_dict, feed)
            finally:
                coordinator.request_stop()
                coordinator.join(threads, stop_grace_period_secs=120)


@public("contrib.learn.run_feeds", "contrib.learn.graph_actions.run_feeds")
def run_feeds(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """What `run_feeds_iter` gives, as a list; arguments as there."""
    return list(run_feeds_iter(*args, **kwargs))


@public("contrib.learn.run_n", "contrib.learn.graph_actions.run_n")
def run_n(
    output_dict: dict[str, Any], feed_dict: Any = None, restore_checkpoint_path: Any = None, n: int = 1
) -> list[dict[str, Any]]:
    """The values of tensors, `n` times with the same feed.

    Args:
      output_dict: tensors by name.
      feed_dict: what is fed.
      restore_checkpoint_path: where variables come from; default: their initializers.
      n: how often.
    """
    return run_feeds(output_dict, [feed_dict] * n, restore_checkpoint_path)


@public("contrib.learn.infer", "contrib.learn.graph_actions.infer")
def infer(restore_checkpoint_path: Any, output_dict: dict[str, Any], feed_dict: Any = None) -> dict[str, Any]:
    """The values of tensors once.

    Args:
      restore_checkpoint_path: where variables come from; None for their initializers.
      output_dict: tensors by name.
      feed_dict: what is fed.
    """
    return run_n(output_dict, feed_dict, restore_checkpoint_path)[0]


@public("contrib.learn.graph_actions.get_summary_writer")
def get_summary_writer(logdir: str) -> Any:
    """The writer of a folder, one for all who ask."""
    return FileWriterCache.get(logdir)


@public("contrib.learn.graph_actions.clear_summary_writers")
def clear_summary_writers() -> None:
    """Forgets the writers."""
    FileWriterCache.clear()
