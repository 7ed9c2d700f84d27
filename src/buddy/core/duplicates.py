"""Which action was taken before: the same tool with the same arguments, and nothing else in between."""

from collections.abc import Sequence
from typing import Generic, TypeVar

Who = TypeVar("Who")


_Numbers = dict[str, int | list[int]]
"""One number, or several from the first on: most actions are taken once, and most resources written once."""


class ActionIndex(Generic[Who]):
    """Actions in the order taken; used before a run over what is planned, and in it over what is done."""

    def __init__(self) -> None:
        self._count = 0
        self._digests: dict[int, str] = {}
        self._who: dict[int, Who] = {}
        self._taken: _Numbers = {}
        self._writers: _Numbers = {}

    def find(self, digest: str, resources: Sequence[str]) -> Who | None:
        """Return who took this action before, None where nobody did or another write came in between.

        Args:
            digest: of tool and canonical arguments.
            resources: that the action writes; with none, nothing counts as in between.
        """
        number = _last(self._taken, digest)
        if number is None or any(self._last_writer(resource) != digest for resource in resources):
            return None
        return self._who[number]

    def add(self, digest: str, resources: Sequence[str], who: Who) -> None:
        """Note an action."""
        number = self._count
        self._count += 1
        self._digests[number] = digest
        self._who[number] = who
        _push(self._taken, digest, number)
        for resource in resources:
            if resource in self._writers:
                self._last_writer(resource)
            _push(self._writers, resource, number)

    def free(self, digest: str) -> None:
        """Forget the last of these actions, which had no effect or was undone."""
        number = _last(self._taken, digest)
        if number is not None:
            _pop(self._taken, digest)
            del self._digests[number], self._who[number]

    def _last_writer(self, resource: str) -> str | None:
        """Return the digest of the last action that wrote a resource, and forget the freed ones after it."""
        number = _last(self._writers, resource)
        while number is not None and number not in self._digests:
            _pop(self._writers, resource)
            number = _last(self._writers, resource)
        return None if number is None else self._digests[number]


def _last(numbers: _Numbers, key: str) -> int | None:
    known = numbers.get(key)
    return known[-1] if isinstance(known, list) else known


def _push(numbers: _Numbers, key: str, number: int) -> None:
    known = numbers.get(key)
    if known is None:
        numbers[key] = number
    elif isinstance(known, list):
        known.append(number)
    else:
        numbers[key] = [known, number]


def _pop(numbers: _Numbers, key: str) -> None:
    known = numbers[key]
    if isinstance(known, list) and len(known) > 1:
        known.pop()
    else:
        del numbers[key]
