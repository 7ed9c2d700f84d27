"""Which action was taken before: the same tool with the same arguments, and nothing else in between."""

from collections.abc import Sequence
from typing import Generic, TypeVar

Who = TypeVar("Who")


class ActionIndex(Generic[Who]):
    """Actions in the order taken; used before a run over what is planned, and in it over what is done.

    Most actions are taken once and most resources written once, so each entry is a number, and only what
    comes again makes a chain: a list for each would be most of a long run's objects.
    """

    def __init__(self) -> None:
        self._count = 0
        self._digests: dict[int, str] = {}
        self._who: dict[int, Who] = {}
        self._taken: dict[str, int] = {}
        self._taken_before: dict[int, int] = {}
        self._writers: dict[str, int] = {}
        self._wrote_before: dict[tuple[str, int], int] = {}

    def find(self, digest: str, resources: Sequence[str]) -> Who | None:
        """Return who took this action before, None where nobody did or another write came in between.

        Args:
            digest: of tool and canonical arguments.
            resources: that the action writes; with none, nothing counts as in between.
        """
        number = self._taken.get(digest)
        if number is None or any(self._last_writer(resource) != digest for resource in resources):
            return None
        return self._who[number]

    def add(self, digest: str, resources: Sequence[str], who: Who) -> None:
        """Note an action."""
        number = self._count
        self._count += 1
        self._digests[number] = digest
        self._who[number] = who
        before = self._taken.get(digest)
        if before is not None:
            self._taken_before[number] = before
        self._taken[digest] = number
        for resource in resources:
            before = self._writers.get(resource)
            if before == number:
                continue
            if before is not None:
                self._wrote_before[resource, number] = before
            self._writers[resource] = number

    def free(self, digest: str) -> None:
        """Forget the last of these actions, which had no effect or was undone."""
        number = self._taken.pop(digest, None)
        if number is not None:
            before = self._taken_before.pop(number, None)
            if before is not None:
                self._taken[digest] = before
            del self._digests[number], self._who[number]

    def _last_writer(self, resource: str) -> str | None:
        number = self._writers.get(resource)
        while number is not None and number not in self._digests:
            before = self._wrote_before.pop((resource, number), None)
            if before is None:
                del self._writers[resource]
            else:
                self._writers[resource] = before
            number = before
        return None if number is None else self._digests[number]
