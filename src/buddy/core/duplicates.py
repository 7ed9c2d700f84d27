"""Which action was taken before: the same tool with the same arguments, and nothing else in between."""

from collections.abc import Sequence
from typing import Generic, TypeVar

Who = TypeVar("Who")


class ActionIndex(Generic[Who]):
    """Actions in the order taken; used before a run over what is planned, and in it over what is done."""

    def __init__(self) -> None:
        self._taken: dict[str, Who] = {}
        self._last_writer: dict[str, str] = {}

    def find(self, digest: str, resources: Sequence[str]) -> Who | None:
        """Return who took this action before, None where nobody did or another write came in between.

        Args:
            digest: of tool and canonical arguments.
            resources: that the action writes; with none, nothing counts as in between.
        """
        who = self._taken.get(digest)
        if who is None or any(self._last_writer.get(resource) != digest for resource in resources):
            return None
        return who

    def add(self, digest: str, resources: Sequence[str], who: Who) -> None:
        """Note an action."""
        self._taken[digest] = who
        for resource in resources:
            self._last_writer[resource] = digest

    def free(self, digest: str) -> None:
        """Forget an action that had no effect or was undone."""
        self._taken.pop(digest, None)
