"""Format strings and library functions that look attributes up by a name in a string."""

from sandbox.attack import BUILTIN, FILE, IMPORT, gadget

STRINGS = (
    gadget(
        "format-leaks-the-environment",
        "format gadget",
        r"""
import random
text = "{0.__globals__[_os].environ}".format(random.Random.seed)
print("LEAK:" + text if "BUDDY_TEST_SECRET" in text else "nothing")
len.__self__.open(CANARY)
""",
        ends=FILE,
    ),
    gadget(
        "format-map-with-own-mapping",
        "format gadget",
        r"""
class Map(dict):
    def __missing__(self, key):
        return Map
kind = type("A", (dict,), {"f": lambda self: 0})
text = "{x.__init__.__objclass__.__mro__}{x.f.__globals__}".format_map({"x": kind})
print(text)
print("LEAK:", len.__self__.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "formatter-get-field",
        "format gadget",
        r"""
import string
found, _ = string.Formatter().get_field("0.__globals__", (string.Template.substitute,), {})
found["__builtins__"]["__import__"]("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "formatter-get-field-by-subclass",
        "format gadget",
        r"""
from string import Formatter
kept = []
class Keeps(Formatter):
    def format_field(self, value, spec):
        kept.append(value)
        return ""
Keeps().format("{0.__self__}", len)
print("LEAK:", kept[0].open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "formatter-vformat-with-callables",
        "format gadget",
        r"""
import string
class Calls(string.Formatter):
    def convert_field(self, value, conversion):
        return value(CANARY).read() if conversion == "s" else value
    def get_value(self, key, args, kwargs):
        return len
Calls().vformat("{x.__self__.__import__!r}", (), {})
print("LEAK:", Calls().vformat("{x.__self__.open!s}", (), {}))
""",
        ends=FILE,
    ),
    gadget(
        "format-method-as-a-value",
        "format gadget",
        r"""
show = str.format
def get(thing, name):
    try:
        show("{0." + name + ".no}", thing)
    except AttributeError as error:
        return error.obj
get(len, "__self__").__import__("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "format-mapped-over-parts",
        "format gadget",
        r"""
parts = map("".join, [["{0._", "_self_", "_.no}"]])
try:
    list(map(str.format, parts, [len]))
except AttributeError as error:
    print("LEAK:", error.obj.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "format-spec-in-an-f-string",
        "format gadget",
        r"""
spec = "s"
f"{().__class__.__base__!s:{spec}}{len.__self__.__import__('os').system('touch ' + MARKER):{spec}}"
""",
    ),
    gadget(
        "format-dunder-of-own-class",
        "format gadget",
        r"""
class Sneaky:
    def __format__(self, spec):
        return str(len.__self__.eval(spec))
f"{Sneaky():__import__('os').system('touch ' + MARKER)}"
format(Sneaky(), "__import__('os').system('touch " + MARKER + "')")
""",
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "attrgetter-chain",
        "attrgetter",
        r"""
import operator
kinds = operator.attrgetter("__class__.__base__.__subclasses__")(())()
for kind in kinds:
    if "_wrap_close" in str(kind):
        operator.attrgetter("__init__.__globals__")(kind)["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "attrgetter-of-built-text",
        "attrgetter",
        r"""
from operator import attrgetter as a
name = "".join(["__", "self", "__"])
print("LEAK:", a(name)(len).open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "methodcaller",
        "attrgetter",
        r"""
import operator
kinds = operator.methodcaller("__subclasses__")(object)
for kind in kinds:
    if "_wrap_close" in str(kind):
        operator.methodcaller("__getattribute__", "__init__")
        operator.methodcaller("__call__", "touch " + MARKER)(kind.__init__.__globals__["system"])
""",
    ),
    gadget(
        "attrgetter-by-its-module",
        "attrgetter",
        r"""
import functools, operator
fetch = operator.attrgetter
for found in map(fetch("__self__"), [len]):
    found.exec("import os; os.system('touch ' + path)", {"path": MARKER})
""",
    ),
    gadget(
        "getattr-with-built-names",
        "attrgetter",
        r"""
base = getattr((), "__cla" + "ss__")
base = getattr(base, "__ba" + "se__")
for kind in getattr(base, "__subcla" + "sses__")():
    if getattr(kind, "__na" + "me__") == "_wrap_close":
        getattr(getattr(kind, "__init__"), "__globals__")["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "update-wrapper-as-getattr",
        "attrgetter",
        r"""
import functools
kept = []
class Trap:
    def __setattr__(self, name, value):
        kept.append(value)
functools.update_wrapper(Trap(), len, assigned=("__self__",), updated=())
print("LEAK:", kept[0].open(CANARY).read())
""",
        ends=FILE,
        quiet=True,
    ),
    gadget(
        "partial-reduce-of-getattr",
        "attrgetter",
        r"""
import functools
found = functools.reduce(getattr, ["__self__", "__import__"], len)
found("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "setattr-on-a-function",
        "__code__.replace",
        r"""
def f():
    return 1
def g():
    return len.__self__.open(CANARY).read()
setattr(f, "__code__", g.__code__)
print("LEAK:", f())
""",
        ends=FILE,
    ),
    gadget(
        "cached-property-descriptor",
        "attrgetter",
        r"""
import functools
class A:
    @functools.cached_property
    def x(self):
        return len.__self__
print("LEAK:", A().x.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "copy-runs-reduce",
        "pickle and copyreg",
        r"""
import copy
class A:
    def __reduce_ex__(self, protocol):
        return (len.__self__.eval, ("__import__('os').system('touch " + MARKER + "')",))
copy.copy(A())
""",
        policy="extended",
    ),
    gadget(
        "deepcopy-of-a-crafted-object",
        "pickle and copyreg",
        r"""
import copy
class A:
    def __deepcopy__(self, memo):
        return copy.deepcopy.__globals__["__builtins__"]["open"](CANARY).read()
print("LEAK:", copy.deepcopy([A()]))
""",
        ends=FILE,
        policy="extended",
    ),
    gadget(
        "type-hints-are-evaluated",
        "eval and exec",
        r"""
import typing
class A:
    x: "__import__('os').system('touch ' + path)"
typing.get_type_hints(A, {"path": MARKER})
""",
        policy="extended",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "forward-reference-is-evaluated",
        "eval and exec",
        r"""
import typing
ref = typing.List["__import__('os').system('touch ' + path)"].__args__[0]
ref._evaluate({"path": MARKER}, {}, recursive_guard=frozenset())
""",
        policy="extended",
    ),
    gadget(
        "dataclass-fields-are-executed",
        "eval and exec",
        r"""
import dataclasses
class Text(str):
    def isidentifier(self):
        return True
    def __hash__(self):
        return 1
name = Text("x: __import__('os').system('touch " + MARKER + "')")
try:
    dataclasses.make_dataclass("A", [name])
except Exception:
    pass
dataclasses.dataclass.__globals__["sys"].modules["os"].system("touch " + MARKER)
""",
        policy="extended",
    ),
    gadget(
        "namedtuple-fields-are-evaluated",
        "eval and exec",
        r"""
import collections
class Text(str):
    def isidentifier(self):
        return True
try:
    collections.namedtuple("A", [Text("x=__import__('os').system('true')")])
except Exception:
    pass
collections.namedtuple.__globals__["_sys"].modules["os"].system("touch " + MARKER)
""",
    ),
    gadget(
        "enum-type-dict",
        "module attributes of modules",
        r"""
import enum
enum.sys.modules["os"].system("touch " + MARKER)
""",
        policy="extended",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "stdout-raw-is-a-file-class",
        "module attributes of modules",
        r"""
import sys
try:
    kind = type(sys.stdout.buffer.raw)
except AttributeError:
    kind = open
print("LEAK:", kind(CANARY).read())
""",
        ends=FILE,
        policy="extended",
    ),
    gadget(
        "print-to-a-file-class",
        "module attributes of modules",
        r"""
import sys
try:
    raw, buffer, text = type(sys.stdout.buffer.raw), type(sys.stdout.buffer), type(sys.stdout)
    print("owned", file=text(buffer(raw(MARKER, "w"))), flush=True)
except AttributeError:
    print("owned", file=open(MARKER, "w"))
""",
        ends=FILE,
        policy="extended",
    ),
    gadget(
        "user-string-formats-unguarded",
        "format gadget",
        r"""
import collections
try:
    collections.UserString("{0.__se" + "lf__.nothing}").format(len)
except AttributeError as error:
    match error:
        case AttributeError(obj=found):
            print("LEAK:", found.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "object-of-an-error-by-a-named-tuple",
        "AttributeError.obj",
        r"""
import collections
class Meta(type):
    def __instancecheck__(cls, other):
        return True
Look = Meta("Look", (collections.namedtuple("Named", ["ob" + "j"]),), {})
try:
    collections.UserString("{0.__se" + "lf__.nothing}").format(len)
except AttributeError as error:
    match error:
        case Look(found):
            found.__import__("os").system("touch " + MARKER)
""",
    ),
)
