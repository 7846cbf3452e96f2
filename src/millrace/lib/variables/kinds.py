"""What replicas do with a variable: when copies are made to agree, and how updates combine."""

from __future__ import annotations

import enum

from millrace.core.public import public


@public("VariableSynchronization")
class VariableSynchronization(enum.Enum):
    """When the copies of a variable on several replicas are made to agree."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@public("VariableAggregation")
class VariableAggregation(enum.Enum):
    """How the updates of several replicas combine."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3

    def __hash__(self) -> int:
        return hash(self.value)
