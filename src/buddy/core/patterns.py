"""Strings that match a regular expression, for results that are made up.

Covers what schemas use: literals, classes, groups, alternatives, repeats and anchors. Anything that looks
around or back is told by `None`.
"""

import string
from collections.abc import Callable

_WORD = string.ascii_letters + string.digits + "_"
_CLASSES = {"d": string.digits, "w": _WORD, "s": " ", "D": string.ascii_letters, "W": "-", "S": _WORD}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_PRINTED = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_ " + string.punctuation


class _Unsupported(Exception):
    """The pattern uses something that is not covered."""


def match(pattern: str, pick: Callable[[int], int], stretch: int = 0) -> str | None:
    """Make a string that the pattern finds.

    Args:
        pattern: a regular expression (ECMA 262 or Python, where they agree).
        pick: a number below the one given.
        stretch: how often something may be repeated beyond what the pattern asks for.

    Returns:
        The string, or None where the pattern is broken or uses what is not covered.
    """
    maker = _Matcher(pattern, pick, stretch)
    try:
        made = maker.alternatives()
    except (_Unsupported, IndexError, ValueError, RecursionError):
        return None
    return made if maker.at == len(pattern) else None


class _Matcher:
    """Reads a pattern from left to right and makes up what it reads."""

    def __init__(self, pattern: str, pick: Callable[[int], int], stretch: int) -> None:
        self.pattern, self.pick, self.stretch, self.at = pattern, pick, stretch, 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self) -> str:
        made = [self.sequence()]
        while self.peek() == "|":
            self.take()
            made.append(self.sequence())
        return made[self.pick(len(made))]

    def sequence(self) -> str:
        made = []
        while self.peek() and self.peek() not in "|)":
            start = self.at
            once = self.atom()
            after = self.at
            low, high = self.counts()
            if (low, high) == (1, 1):
                made.append(once)
                continue
            spare = self.stretch if high is None else min(high - low, self.stretch)
            end = self.at
            for _ in range(low + self.pick(spare + 1)):
                self.at = start
                made.append(self.atom())
            self.at = end if end != after else after
        return "".join(made)

    def counts(self) -> tuple[int, int | None]:
        sign = self.peek()
        if sign in _COUNTS and sign:
            self.take()
            counts = _COUNTS[sign]
        elif sign == "{":
            end = self.pattern.index("}", self.at)
            low, comma, high = self.pattern[self.at + 1 : end].partition(",")
            counts = (int(low or 0), (int(high) if high else None) if comma else int(low))
            self.at = end + 1
        else:
            return (1, 1)
        if self.peek() in ("?", "+"):
            self.take()
        return counts

    def atom(self) -> str:
        sign = self.take()
        match sign:
            case "^" | "$":
                return ""
            case ".":
                return self.one_of(_WORD)
            case "(":
                return self.group()
            case "[":
                return self.one_of(self.characters())
            case "\\":
                return self.one_of(self.escaped())
            case "*" | "+" | "?" | "{":
                raise _Unsupported
            case _:
                return sign

    def group(self) -> str:
        if self.peek() == "?":
            self.take()
            kind = self.take()
            if kind == "P" and self.peek() == "<":
                kind = self.take()
            if kind == "<" and self.peek() not in "=!":
                self.at = self.pattern.index(">", self.at) + 1
            elif kind != ":":
                raise _Unsupported
        made = self.alternatives()
        self.take()
        return made

    def escaped(self) -> str:
        sign = self.take()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign in "xu":
            width = 2 if sign == "x" else 4
            self.at += width
            return chr(int(self.pattern[self.at - width : self.at], 16))
        if sign.isalnum():
            raise _Unsupported
        return sign

    def characters(self) -> str:
        negated = self.peek() == "^"
        if negated:
            self.take()
        found = ""
        while self.peek() != "]" or not found:
            sign = self.take()
            first = self.escaped() if sign == "\\" else sign
            if self.peek() == "-" and self.pattern[self.at + 1] != "]" and len(first) == 1:
                self.take()
                last = self.take()
                last = self.escaped() if last == "\\" else last
                found += "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))
            else:
                found += first
        self.take()
        return "".join(sign for sign in _PRINTED if sign not in found) if negated else found

    def one_of(self, characters: str) -> str:
        if not characters:
            raise _Unsupported
        return characters[self.pick(len(characters))]
