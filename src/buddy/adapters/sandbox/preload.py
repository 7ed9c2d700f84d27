"""Loads everything that code may come to need, so that processes forked from here on read no file."""

import codecs
import contextlib
import hashlib
import importlib
import sys
import time
import warnings

from buddy.adapters.sandbox.facades import facades
from buddy.adapters.sandbox.settings import Settings

INTERNALS = (
    "_strptime", "abc", "calendar", "contextlib", "contextvars", "copyreg", "dataclasses", "decimal",
    "enum", "fractions", "heapq", "inspect", "keyword", "linecache", "locale", "numbers", "pickle",
    "random", "reprlib", "statistics", "stringprep", "struct", "tokenize", "traceback", "types", "typing",
    "unicodedata", "weakref",
)  # fmt: skip
"""Modules that others import when they are called."""

ENCODINGS = (
    "ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
    "utf-32-be", "utf-7", "cp1252", "cp437", "cp850", "iso8859-15", "mac-roman", "idna", "punycode",
    "unicode-escape", "raw-unicode-escape", "hex", "base64", "rot13", "quopri", "zlib",
)  # fmt: skip
"""Those that code can name; the others are not there for it."""


def preload(imports: tuple[str, ...], settings: Settings) -> None:
    """Loads the modules of a policy and what they need when they are used.

    Under facades nothing can be imported from files afterwards, by nobody in this process.

    Args:
        imports: modules that code may import; those that are not installed are left out.
        settings: of the policy.
    """
    for name in (*INTERNALS, *imports):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in ENCODINGS:
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
    for name in sorted(hashlib.algorithms_available):
        with contextlib.suppress(ValueError):
            hashlib.new(name, usedforsecurity=False)
    "\N{DIGIT ONE}".encode("unicode-escape").decode("unicode-escape")
    time.strptime(time.strftime("%c", time.localtime(0)), "%c")
    warnings.simplefilter("ignore")
    if settings.facades:
        facades(frozenset(imports)).disarm()
        from_files = importlib.import_module("importlib.machinery").PathFinder
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not from_files]
