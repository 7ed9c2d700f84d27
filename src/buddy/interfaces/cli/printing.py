"""Results to stdout, the rest to stderr; nothing that a plan or a tool says can steer the terminal."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

WIDEST = 48
"""Characters of a cell in a table."""

_STEERING = [
    *range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)
]  # fmt: skip
# Control characters move the cursor or fake a line, and those for writing direction reorder what is read.
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _STEERING} | {
    10: "\\n",
    9: "\\t",
}
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _STEERING if code >= 0x20}
# JSON escapes the others itself where they are in a text, and elsewhere they are its layout.


def plain(text: str) -> str:
    """Return a text as one line in which nothing steers a terminal."""
    return text.translate(_ESCAPES)


def say(*lines: str) -> None:
    """Print lines of a result."""
    for line in lines:
        sys.stdout.write(f"{plain(line)}\n")


def warn(*lines: str) -> None:
    """Print lines to stderr."""
    for line in lines:
        sys.stderr.write(f"{plain(line)}\n")
    sys.stderr.flush()


def json_text(document: Any, indent: int = -1) -> str:
    """Return a document as JSON in which nothing steers a terminal, and which is read back as it was.

    Args:
        document: what JSON can hold, or a record.
        indent: spaces a level; below 0 all of it is one line.
    """
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="string").encode(document)
    laid_out = encoded if indent < 0 else msgspec.json.format(encoded, indent=indent)
    return laid_out.decode().translate(_JSON_ESCAPES)


def emit(document: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(f"{json_text(document, indent=2)}\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headers in columns; cells that are too wide are cut, the last column never."""
    cells = [[plain(cell) for cell in row] for row in rows]
    cut = [[*(_cut(cell) for cell in row[:-1]), row[-1]] for row in [list(headers), *cells]]
    widths = [max(columns(row[place]) for row in cut) for place in range(len(headers))]
    for row in cut:
        padded = "  ".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        )
        sys.stdout.write(f"{padded.rstrip()}\n")


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: a Chinese letter two, a separate accent none."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(letter) in ("Mn", "Me", "Cf") else 2 if east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _cut(cell: str) -> str:
    return cell if len(cell) <= WIDEST else f"{cell[: WIDEST - 3]}..."


def counted(number: int, what: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
