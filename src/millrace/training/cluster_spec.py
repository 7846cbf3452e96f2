"""`tf.train.ClusterSpec`: the jobs of a cluster, their tasks, and the tasks' addresses."""

from __future__ import annotations

from typing import Any

from millrace.core import protos
from millrace.core.public import public


@public("train.ClusterSpec", "python.training.server_lib.ClusterSpec")
class ClusterSpec:
    """Jobs, each with its tasks.

    Args:
      cluster: from the name of a job to a list of addresses or to a dict from a task's number to its address;
        a `ClusterDef`; or another ClusterSpec.

    Raises:
      TypeError: it is something else, or a name or an address is not a string.
    """

    def __init__(self, cluster: Any) -> None:
        if isinstance(cluster, ClusterSpec):
            cluster = cluster.as_cluster_def()
        if isinstance(cluster, protos.ClusterDef):
            cluster = {job.name: dict(job.tasks) for job in cluster.job}
        if not isinstance(cluster, dict):
            raise TypeError(
                "`cluster` must be a dictionary mapping one or more job names to lists of network "
                f"addresses, or a `ClusterDef` protocol buffer. Received: {cluster!r}"
            )
        self._jobs: dict[str, dict[int, str]] = {}
        for job, tasks in cluster.items():
            self._jobs[_text(job, "Job name")] = _tasks(job, tasks)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(repr(sorted(self._jobs.items())))

    def __str__(self) -> str:
        return f"ClusterSpec({dict(sorted(self.as_dict().items()))})"

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs."""
        return list(self._jobs)

    def as_dict(self) -> dict[str, Any]:
        """From each job to the list of its addresses, or to a dict where numbers are left out."""
        found: dict[str, Any] = {}
        for job, tasks in self._jobs.items():
            whole = sorted(tasks) == list(range(len(tasks)))
            found[job] = [tasks[i] for i in range(len(tasks))] if whole else dict(tasks)
        return found

    def as_cluster_def(self) -> Any:
        """The cluster as a `ClusterDef`."""
        made = protos.ClusterDef()
        for job, tasks in sorted(self._jobs.items()):
            entry = made.job.add(name=job)
            for number, address in sorted(tasks.items()):
                entry.tasks[number] = address
        return made

    def num_tasks(self, job_name: str) -> int:
        """How many tasks a job has.

        Raises:
          ValueError: there is no such job.
        """
        return len(self._job(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """The numbers of a job's tasks, in order.

        Raises:
          ValueError: there is no such job.
        """
        return sorted(self._job(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """The address of one task.

        Raises:
          ValueError: there is no such job or task.
        """
        tasks = self._job(job_name)
        if task_index not in tasks:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}")
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job's tasks, None for numbers that are left out.

        Raises:
          ValueError: there is no such job.
        """
        tasks = self._job(job_name)
        return [tasks.get(i) for i in range(max(tasks, default=-1) + 1)]

    def _job(self, name: str) -> dict[int, str]:
        if name not in self._jobs:
            raise ValueError(f"No such job in cluster: {name!r}")
        return self._jobs[name]


def _tasks(job: Any, tasks: Any) -> dict[int, str]:
    if isinstance(tasks, list | tuple):
        tasks = dict(enumerate(tasks))
    elif not isinstance(tasks, dict):
        raise TypeError(
            f"The tasks for job {job!r} must be a list or a dictionary from integers to strings. "
            f"Received: {tasks!r}"
        )
    for number in tasks:
        if not isinstance(number, int):
            raise TypeError(f"{number!r} has type {type(number).__name__}, but expected one of: int")
    return {number: _text(address, "Task address") for number, address in tasks.items()}


def _text(value: Any, what: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{what} {value!r} must be bytes or unicode")
    return value
