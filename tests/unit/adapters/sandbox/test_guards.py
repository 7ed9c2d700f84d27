"""Ways around what code is shown that make up the names they reach for, so that no reading of it tells."""

import pytest

from unit.adapters.sandbox.runs import ran, value

REACHING = {
    "match by position": """
class Any(type):
    def __instancecheck__(cls, other): return True
class Has(metaclass=Any):
    __match_args__ = ("__glo" + "bals__",)
import string
match string.capwords:
    case Has(reached): pass
""",
    "match by the position of a field": """
import collections.abc, dataclasses
@dataclasses.dataclass
class Has(collections.abc.Sized):
    gi_frame: object
    def __len__(self): return 0
steps = (n for n in "ab")
Has.register(type(steps))
match steps:
    case Has(reached): pass
""",
    "match by a builtin's name": """
int = type("Has", (), {"__match" + "_args__": ("__glo" + "bals__",)})
match int():
    case int(reached): pass
""",
    "a field name that is no field of a template": """
import string
reached = string.Formatter().get_field("0:.__glo" + "bals__", (), {"0:": string.capwords})
""",
    "a template that the library formats": """
import collections, string
reached = collections.UserString("{0.__glo" + "bals__}").format(string.capwords)
""",
    "a field of a dataclass that is an expression": """
import dataclasses
found = []
name = "x if 0 else found.append(().__class__.__base__.__subclasses__())"
made = type("Made", (), {"__anno" + "tations__": {name: int}})
repr(dataclasses.dataclass(init=False, eq=False)(made)())
reached = found[0]
""",
    "such a field that is inherited": """
import dataclasses
found = []
field = dataclasses.field()
field.name = "x if 0 else found.append(().__class__.__base__.__subclasses__())"
around = type("Around", (), {"__dataclass_" + "fields__": {"x": field}})
@dataclasses.dataclass(init=False, eq=False)
class Made(around): pass
repr(Made())
reached = found[0]
""",
    "such a field in what is made of names": """
import dataclasses
class Lying(str):
    def isidentifier(self): return True
name = Lying("x if 0 else __import__('sys').modules['os'].getpid()")
reached = repr(dataclasses.make_dataclass("Made", [(name, int)], init=False, eq=False)())
""",
    "a dataclass that changes its module": """
import dataclasses
asked = []
def module(cls):
    asked.append(1)
    return "__main__" if len(asked) < 2 else "types"
Lying = type("Lying", (type,), {"__mod" + "ule__": property(module)})
name = "x if 0 else __import__('sys').modules['os'].getpid()"
made = Lying("Made", (), {"__anno" + "tations__": {name: int}})
reached = repr(dataclasses.dataclass(init=False, eq=False)(made)())
""",
}


@pytest.mark.parametrize("name", REACHING)
def test_what_code_makes_up_reaches_nothing(name: str) -> None:
    told = ran(f"{REACHING[name]}\nprint(reached)\n1")
    assert told["value"] is None
    assert told["findings"] or told["error"]["type"] == "TypeError"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("match 3:\n    case int(n) | float(n): pass\nn", 3),
        ("import string\nstring.Formatter().format('{a[0].real} {0!r:>4}', 'x', a=[1])", "1  'x'"),
        (
            "import collections.abc, dataclasses\n@dataclasses.dataclass\nclass A(collections.abc.Sized):\n"
            "    x: int\n    def __len__(self): return self.x\nlen(A(2))",
            2,
        ),
        (
            "import dataclasses, typing\n@dataclasses.dataclass\nclass A(typing.Protocol):\n    x: int\n"
            "@dataclasses.dataclass\nclass B(A):\n    y: int = 2\nB(1).x + B(1).y",
            3,
        ),
    ],
)
def test_honest_code_of_the_same_kind_runs(code: str, expected: object) -> None:
    assert value(code) == expected
