"""Records as bytes: a line of a `.jsonl` file, or a whole `.json` file for people to read too."""

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(value: object) -> bytes:
    """Return a value as compact JSON."""
    return _encoder.encode(value)


def encode_line(line: msgspec.Struct) -> bytes:
    """Return a line of a `.jsonl` file."""
    return _encoder.encode(line) + b"\n"


def encode_file(content: msgspec.Struct) -> bytes:
    """Return the content of a `.json` file, indented."""
    return msgspec.json.format(_encoder.encode(content), indent=2) + b"\n"
