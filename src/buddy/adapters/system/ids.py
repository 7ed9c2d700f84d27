"""Names for things that have none: a prefix, `_`, and ten characters of base 32 (50 bits)."""

import hashlib
import secrets
from itertools import count

# Without i, l, o and u: nothing to misread, and no words.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 10


def _text(number: int) -> str:
    return "".join([ALPHABET[number >> shift & 31] for shift in range(0, 5 * LENGTH, 5)])


class RandomIds:
    """Names that nobody can guess or meet twice; `ports.Ids`."""

    def new(self, prefix: str) -> str:
        """Return a name that nothing else in the home has."""
        return f"{prefix}_{_text(secrets.randbits(5 * LENGTH))}"


class SeededIds:
    """The same names in the same order for the same seed; `ports.Ids` for simulations.

    Args:
        seed: any number; the names of one prefix do not depend on how many others were asked for.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, count[int]] = {}

    def new(self, prefix: str) -> str:
        """Return the next name with this prefix."""
        number = next(self._counts.setdefault(prefix, count()))
        digest = hashlib.sha256(f"{self._seed}/{prefix}/{number}".encode()).digest()
        return f"{prefix}_{_text(int.from_bytes(digest[:8], 'big'))}"
