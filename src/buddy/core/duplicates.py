"""Which action was taken before: the same tool with the same arguments, and nothing else in between."""

from collections.abc import Sequence
from typing import Generic, TypeVar

Who = TypeVar("Who")


class ActionIndex(Generic[Who]):
    """Actions in the order taken; used before a run over what is planned, and in it over what is done."""

    def __init__(self) -> None:
        self._count = 0
        self._standing: dict[int, tuple[str, Who]] = {}
        self._taken: dict[str, list[int]] = {}
        self._writers: dict[str, list[int]] = {}

    def find(self, digest: str, resources: Sequence[str]) -> Who | None:
        """Return who took this action before, None where nobody did or another write came in between.

        Args:
            digest: of tool and canonical arguments.
            resources: that the action writes; with none, nothing counts as in between.
        """
        numbers = self._taken.get(digest)
        if not numbers or any(self._last_writer(resource) != digest for resource in resources):
            return None
        return self._standing[numbers[-1]][1]

    def add(self, digest: str, resources: Sequence[str], who: Who) -> None:
        """Note an action."""
        number = self._count
        self._count += 1
        self._standing[number] = (digest, who)
        self._taken.setdefault(digest, []).append(number)
        for resource in resources:
            self._writers.setdefault(resource, []).append(number)

    def free(self, digest: str) -> None:
        """Forget the last of these actions, which had no effect or was undone."""
        numbers = self._taken.get(digest)
        if numbers:
            del self._standing[numbers.pop()]

    def _last_writer(self, resource: str) -> str | None:
        writers = self._writers.get(resource, [])
        while writers and writers[-1] not in self._standing:
            writers.pop()
        return self._standing[writers[-1]][0] if writers else None
