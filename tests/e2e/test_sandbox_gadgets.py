"""Parts of the library that evaluate text or copy modules, and hang on values that code has."""

import pytest

from buddy.adapters.sandbox import Sandbox
from buddy.model.sandbox import ViolationType

# A class of the code has an attribute of that name, so that it may be read; or it is read from `self`.
GADGETS = {
    "an annotation that is evaluated": """
import typing
self = typing.get_args(typing.Optional["[__import__('os').getpid()] and int"])[0]
self._evaluate({}, {}, frozenset())
1
""",
    "an enum of what a module holds": """
import enum
class Own:
    _convert_ = None
len(enum.Enum._convert_("Copy", "os", lambda name: name == "sys"))
""",
}


@pytest.mark.parametrize("name", GADGETS)
def test_nothing_of_the_library_reaches_for_code(name: str) -> None:
    with Sandbox("extended", workers=1) as box:
        result = box.execute(GADGETS[name])
        assert (result.ok, result.value) == (False, None)
        assert [violation.type for violation in result.violations] == [ViolationType.BUILTIN_VIOLATION]
        kept = "import enum\nclass E(enum.IntFlag):\n    A = 1\n[E(1).name, len(list(E))]"
        assert box.execute(kept).value == ["A", 1]
