"""Imports, modules that modules hold, builtins by name, and what can be done to the builtins themselves."""

from sandbox.attack import BUILTIN, FILE, IMPORT, NET, gadget

IMPORTS = (
    gadget("import-os", "imports", 'import os\nos.system("touch " + MARKER)', sees=(FILE,)),
    gadget(
        "from-os-import-system", "imports", 'from os import system\nsystem("touch " + MARKER)', sees=(FILE,)
    ),
    gadget("import-posix", "imports", 'import posix\nposix.system("touch " + MARKER)', sees=(FILE, IMPORT)),
    gadget(
        "import-submodule-as",
        "imports",
        'import os.path as p\nprint("LEAK:", p.os.open(CANARY, 0))',
        ends=FILE,
        sees=(IMPORT,),
    ),
    gadget(
        "import-subprocess",
        "imports",
        "import subprocess\nprint(subprocess.run(['touch', MARKER]))",
    ),
    gadget(
        "import-socket",
        "imports",
        r"""
import socket
s = socket.create_connection(("127.0.0.1", TCP))
s.send(b"owned")
""",
        ends=NET,
        sees=(FILE,),
    ),
    gadget(
        "import-by-a-tool-that-solves",
        "imports",
        r"""
def solution():
    import os
    return os.popen("touch " + MARKER).read()
print(solution())
""",
        sees=(FILE,),
    ),
    gadget("dunder-import", "imports", '__import__("os").system("touch " + MARKER)', sees=(BUILTIN, FILE)),
    gadget(
        "dunder-import-aliased",
        "imports",
        'f = __import__\nf("o" + "s").system("touch " + MARKER)',
        sees=(BUILTIN, FILE, IMPORT),
    ),
    gadget(
        "importlib",
        "imports",
        r"""
import importlib
importlib.import_module("os").system("touch " + MARKER)
""",
        sees=(IMPORT,),
    ),
    gadget(
        "import-codecs-open",
        "imports",
        'import codecs\nprint("LEAK:", codecs.open(CANARY).read())',
        ends=FILE,
        sees=(IMPORT, FILE),
    ),
    gadget(
        "import-linecache",
        "imports",
        r"""
import linecache
linecache.clearcache()
print("LEAK:", linecache.getlines(CANARY) or open(CANARY).read())
""",
        ends=FILE,
        sees=(IMPORT, FILE),
    ),
    gadget(
        "import-runpy",
        "imports",
        "import runpy\nrunpy.run_path(CANARY)",
        ends=FILE,
        sees=(IMPORT,),
        alone=False,
    ),
    gadget(
        "builtin-importer-by-walk",
        "BuiltinImporter",
        r"""
for kind in object.__subclasses__():
    if kind.__name__ == "BuiltinImporter":
        kind.load_module("posix").system("touch " + MARKER)
""",
    ),
    gadget(
        "builtin-importer-by-loader",
        "BuiltinImporter",
        r"""
loader = len.__self__.__loader__
print("LEAK:", loader.load_module("_io").open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "builtin-importer-by-spec",
        "BuiltinImporter",
        r"""
spec = len.__self__.__spec__
spec.loader.load_module("_thread").start_new_thread(len.__self__.print, ("LEAK: a thread",))
for _ in range(10**6):
    pass
""",
    ),
    gadget(
        "frozen-importer",
        "BuiltinImporter",
        r"""
for kind in object.__subclasses__():
    if kind.__name__ == "FrozenImporter":
        kind.load_module("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "meta-path",
        "BuiltinImporter",
        r"""
import sys
for finder in sys.meta_path:
    spec = finder.find_spec("posix", None)
    if spec is not None:
        spec.loader.load_module("posix").system("touch " + MARKER)
        break
""",
        policy="extended",
    ),
    gadget(
        "random-os",
        "module attributes of modules",
        'import random\nrandom._os.system("touch " + MARKER)',
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "from-random-import-os",
        "module attributes of modules",
        'from random import _os as o\no.system("touch " + MARKER)',
        sees=(BUILTIN, IMPORT, FILE),
    ),
    gadget(
        "datetime-sys",
        "module attributes of modules",
        r"""
import datetime
datetime.sys.modules["os"].system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "re-enum-sys",
        "module attributes of modules",
        r"""
import re
re.enum.sys.modules["os"].system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "json-decoder-codecs",
        "module attributes of modules",
        'import json\nprint("LEAK:", json.codecs.open(CANARY).read())',
        ends=FILE,
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "collections-sys",
        "module attributes of modules",
        r"""
import collections
collections._sys.modules["posix"].system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "string-re-enum",
        "module attributes of modules",
        r"""
from string import _re
_re.enum.sys.modules["os"].system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
    ),
    gadget(
        "typing-sys-statistics-sys",
        "module attributes of modules",
        r"""
import typing, statistics
(typing.sys or statistics.sys).modules["os"].system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
        policy="extended",
    ),
    gadget(
        "sys-modules",
        "module attributes of modules",
        'import sys\nsys.modules["os"].system("touch " + MARKER)',
        sees=(BUILTIN, IMPORT),
        policy="extended",
    ),
    gadget(
        "dataclasses-inspect",
        "module attributes of modules",
        r"""
import dataclasses
dataclasses.inspect.os.system("touch " + MARKER)
""",
        sees=(BUILTIN, IMPORT),
        policy="extended",
    ),
    gadget(
        "open", "builtins by name", 'print("LEAK:", open(CANARY).read())', ends=FILE, sees=(FILE, BUILTIN)
    ),
    gadget(
        "eval", "builtins by name", "eval(\"__import__('os').system('touch ' + MARKER)\")", sees=(BUILTIN,)
    ),
    gadget(
        "exec-in-pieces",
        "builtins by name",
        r"""
text = "".join(map(chr, [105, 109, 112, 111, 114, 116, 32, 111, 115]))
exec(text + ";os.system('touch ' + MARKER)")
""",
    ),
    gadget(
        "compile",
        "builtins by name",
        'eval(compile("open(CANARY).read()", "x", "eval"))',
        ends=FILE,
        alone=False,
    ),
    gadget(
        "globals-and-vars",
        "builtins by name",
        r"""
space = globals()["__builtins__"]
space = space if isinstance(space, dict) else vars(space)
print("LEAK:", space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "breakpoint",
        "builtins by name",
        r"""
import sys
len.__self__.__import__("sys").breakpointhook = lambda *a: len.__self__.open(CANARY)
breakpoint()
""",
        ends=FILE,
        policy="extended",
        alone=False,
    ),
    gadget(
        "builtins-item-set",
        "__builtins__ mutation",
        r"""
space = __builtins__ if isinstance(__builtins__, dict) else __builtins__.__dict__
space["isinstance"] = lambda *a: True
space["PermissionError"] = ValueError
len.__self__.open(CANARY)
""",
        ends=FILE,
        alone=False,
    ),
    gadget(
        "builtins-rebound",
        "__builtins__ mutation",
        r"""
__builtins__ = len.__self__
def f():
    return open(CANARY).read()
print("LEAK:", f())
""",
        ends=FILE,
    ),
    gadget(
        "builtins-deleted",
        "__builtins__ mutation",
        r"""
real = len.__self__
del __builtins__
print = real.print
print("LEAK:", (lambda: real.open(CANARY).read())())
""",
        ends=FILE,
    ),
    gadget(
        "builtins-cleared-under-the-runner",
        "__builtins__ mutation",
        r"""
real = len.__self__.__dict__
keep = dict(real)
try:
    keep["open"](CANARY)
except OSError:
    pass
real.clear()
""",
        ends=FILE,
        alone=False,
    ),
    gadget(
        "global-builtins-in-a-function",
        "__builtins__ mutation",
        r"""
def f():
    global __builtins__
    __builtins__ = {"print": print, "open": len.__self__.open}
f()
def g():
    print("LEAK:", open(CANARY).read())
g()
""",
        ends=FILE,
    ),
    gadget(
        "pickle-opcodes",
        "pickle and copyreg",
        r"""
import pickle
pickle.loads(b"cposix\nsystem\n(V" + b"touch " + MARKER.encode() + b"\ntR.")
""",
        sees=(IMPORT,),
    ),
    gadget(
        "pickle-reduce",
        "pickle and copyreg",
        r"""
import pickle
class A:
    def __reduce__(self):
        return (open, (CANARY,))
pickle.loads(pickle.dumps(A()))
""",
        ends=FILE,
        sees=(IMPORT,),
        alone=False,
    ),
    gadget(
        "copyreg-extension",
        "pickle and copyreg",
        r"""
import copyreg
copyreg.pickle.__globals__["__builtins__"]["__import__"]("os").system("touch " + MARKER)
""",
        sees=(IMPORT, BUILTIN),
    ),
    gadget(
        "marshal-code",
        "pickle and copyreg",
        r"""
import marshal
code = marshal.loads(marshal.dumps(len.__self__.compile("open(path).read()", "x", "eval")))
print("LEAK:", len.__self__.eval(code, {"path": CANARY}))
""",
        ends=FILE,
        sees=(IMPORT, BUILTIN),
    ),
)
