"""Forged verdicts, descriptors that are not the code's business, and things left for the next execution."""

from sandbox.attack import BUILTIN, CALL, FILE, IMPORT, LIMIT, NET, RUN, Attack, Layer, Setting, Types, direct

FIRST = r"""
import os
try:
    os.stat(CANARY)
except OSError:
    pass
"""
"""Something that is denied, which the rest then tries to hide."""

GOOD = r"""
import json
report = {"value": "owned", "error": None, "findings": [], "ended": None, "ok": True, "violations": []}
lines = [json.dumps(thing).encode() + b"\n" for thing in
         (report, {"report": report}, {"ok": True}, {"code": 0}, {"result": report}, {"end": {"code": 0}})]
"""


def forge(name: str, code: str, *, also: Types = (), technique: str = "forged results") -> Attack:
    """Something denied, then a try to have it pass for nothing."""
    return direct(name, technique, FILE, FIRST + code, also=also)


FORGERY = (
    forge(
        "report-on-every-descriptor",
        GOOD
        + r"""
for fd in range(64):
    for line in lines:
        try:
            os.write(fd, line)
        except OSError:
            pass
os._exit(0)
""",
    ),
    forge("quiet-exit", "os._exit(0)"),
    forge("exit-by-exception", "raise SystemExit(0)"),
    forge("exit-by-a-code", "os._exit(72)"),
    forge(
        "report-in-frames-of-many-kinds",
        GOOD
        + r"""
import struct
for fd in range(1, 32):
    for line in lines:
        for head in ("=I", "!I", "=Q", "!Q", "=H"):
            try:
                os.write(fd, struct.pack(head, len(line)) + line)
            except OSError:
                pass
os._exit(0)
""",
    ),
    forge(
        "end-forged", 'os.write(3, b\'{"end": {"code": 0, "cpu_s": 0, "memory_kb": 1}}\\n\' * 3)\nos._exit(0)'
    ),
    forge(
        "report-then-hang",
        GOOD
        + r"""
os.write(3, lines[1])
import time
time.sleep(0.1)
os._exit(0)
""",
    ),
    forge("report-then-crash", GOOD + "os.write(3, lines[1])\nos.abort()", also=(CALL,)),
    forge(
        "report-of-nonsense", "os.write(3, b'\\xff\\x00[[[{' + b'[' * 100000 + b'\\n' * 1000)\nos._exit(0)"
    ),
    forge(
        "report-of-wrong-types",
        'os.write(3, b\'{"report": {"value": 1, "error": 5}}\\n{"finding": 7}\\n\')\nos._exit(0)',
    ),
    forge(
        "findings-forged",
        'os.write(3, b\'{"finding": ["TIMEOUT", "x", 1, "kernel"]}\\n\' * 5000)\nos._exit(0)',
    ),
    forge(
        "channel-closed",
        r"""
for fd in range(64):
    try:
        os.close(fd)
    except OSError:
        pass
os._exit(0)
""",
    ),
    forge("crash", "import ctypes\nctypes.string_at(0)", also=(CALL,)),
    forge(
        "runner-patched",
        r"""
import sys
for name, module in list(sys.modules.items()):
    for what in ("run", "_run", "note", "dumps", "check"):
        if "sandbox" in name and hasattr(module, what):
            setattr(module, what, lambda *a, **k: {"value": "owned", "error": None, "ended": None})
import json
json.dumps = lambda *a, **k: '{"report": {"value": "owned"}}'
""",
    ),
    forge(
        "callers-patched",
        r"""
import sys
frame = sys._getframe(0)
while frame is not None:
    for value in list(frame.f_locals.values()):
        if isinstance(value, list):
            value.clear()
        if isinstance(value, dict) and "report" in value:
            value.clear()
    frame = frame.f_back
""",
    ),
    forge(
        "objects-patched",
        r"""
import gc
for thing in gc.get_objects():
    if isinstance(thing, list) and len(thing) < 20:
        thing.clear()
os._exit(0)
""",
        also=(CALL,),
    ),
    forge(
        "end-at-exit",
        r"""
import atexit
atexit.register(os.write, 3, b'{"report": {"value": "owned"}}\n')
class Last:
    def __del__(self, write=os.write):
        write(3, b'{"report": {"value": "owned"}}\n')
last = Last()
""",
    ),
    direct(
        "read-every-descriptor",
        "inherited descriptors",
        FILE,
        r"""
import os, stat
for fd in [0, *range(3, 64)]:
    try:
        kind = os.fstat(fd).st_mode
    except OSError:
        continue
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        print("LEAK: a file at", fd, os.read(fd, 99) if stat.S_ISREG(kind) else "")
    elif fd > 3:
        print("LEAK: a descriptor", fd, oct(kind))
os.write(0, b"x")
""",
        also=(CALL,),
        only=(Setting.AS_IS, Setting.BARE),
    ),
    direct(
        "seek-and-read-descriptors",
        "inherited descriptors",
        FILE,
        r"""
import os
for fd in range(64):
    try:
        print('LEAK:', os.pread(fd, 99, 0))
    except OSError:
        pass
""",
    ),
    direct(
        "duplicate-descriptors",
        "inherited descriptors",
        CALL,
        r"""
import os
for fd in range(64):
    try:
        os.dup2(1, fd)
        print('LEAK:', fd)
    except OSError:
        pass
""",
    ),
    direct(
        "listener-of-the-kernel",
        "inherited descriptors",
        CALL,
        r"""
import fcntl
for fd in range(64):
    for request in (0xC0502100, 0xC0182101, 0x40082102, 0x40182103):
        try:
            fcntl.ioctl(fd, request, bytearray(80))
            print("LEAK: hears the kernel at", fd)
        except OSError:
            pass
""",
        refused=FILE,
    ),
    direct(
        "type-into-a-terminal",
        "inherited descriptors",
        CALL,
        r"""
import fcntl
for fd in range(3):
    try:
        fcntl.ioctl(fd, 0x5412, b'x')
        print('LEAK: typed')
    except OSError:
        pass
""",
        refused=FILE,
    ),
    direct(
        "folder-of-a-descriptor",
        "inherited descriptors",
        FILE,
        r"""
import os
for fd in range(64):
    try:
        print('LEAK:', os.listdir(fd))
    except OSError:
        pass
""",
        also=(CALL,),
    ),
    direct(
        "builtins-changed-for-the-next",
        "residue",
        FILE,
        r"""
import builtins, os
builtins.residue = 1
builtins.len = lambda x: 42
os.stat(CANARY)
""",
        refused=IMPORT,
    ),
    direct(
        "modules-changed-for-the-next",
        "residue",
        FILE,
        r"""
import sys, json, math, os
math.pi = 3
json.dumps = None
sys.modules['residue'] = sys
os.environ['RESIDUE'] = '1'
os.stat(CANARY)
""",
    ),
    direct(
        "settings-changed-for-the-next",
        "residue",
        FILE,
        r"""
import sys, gc, os, decimal, random
sys.setrecursionlimit(50000)
gc.disable()
random.seed(1)
decimal.getcontext().prec = 3
sys.path.append('/residue')
os.stat(CANARY)
""",
    ),
    direct(
        "signals-changed-for-the-next",
        "residue",
        FILE,
        r"""
import signal, os
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, print)
os.stat(CANARY)
""",
        refused=IMPORT,
    ),
    direct(
        "secret-kept-in-memory",
        "residue",
        FILE,
        r"""
import sys, os
sys.kept = ['RESI' + 'DUE'] * 1000
sys.intern('RESI' + 'DUE')
os.stat(CANARY)
""",
    ),
    direct(
        "mask-changed-for-the-next",
        "residue",
        FILE,
        r"""
import os
os.umask(0)
os.stat(CANARY)
""",
    ),
    direct(
        "shared-memory-of-python",
        "residue",
        FILE,
        r"""
from multiprocessing import shared_memory
s = shared_memory.SharedMemory('buddy-residue', True, 64)
print('LEAK: shared')
""",
        refused=RUN,
        also=(CALL, NET),
    ),
    Attack(
        name="facade-changed-for-the-next",
        technique="residue",
        code=r"""
import math
math.pi = 3
import json
json.dumps = len
open(CANARY)
""",
        as_is=(FILE, BUILTIN),
        no_check=(FILE, BUILTIN),
        bare=(FILE,),
        holds=Layer.KERNEL,
    ),
    Attack(
        name="value-forged-over-the-cap",
        technique="forged results",
        code=r"""
import os
line = b'{"report": {"value": "' + b"x" * 1_900_000 + b'"}}\n'
while line:
    line = line[os.write(3, line):]
os._exit(0)
""",
        as_is=(FILE, LIMIT),
        no_check=(LIMIT, CALL),
        bare=(LIMIT, CALL),
        holds=Layer.SUPERVISOR,
        escapes=True,
    ),
    Attack(
        name="value-forged-too-deep",
        technique="forged results",
        code=r"""
import os
os.write(3, b'{"report": {"value": ' + b"[" * 900 + b"]" * 900 + b"}}\n")
os._exit(0)
""",
        as_is=(FILE, LIMIT),
        no_check=(LIMIT, CALL),
        bare=(LIMIT, CALL),
        holds=Layer.SUPERVISOR,
        escapes=True,
    ),
    forge(
        "finding-forged-to-flood-the-log",
        r"""
line = b'{"finding": ["TIMEOUT", "' + b"x" * 1_500_000 + b'", 1, "policy"]}\n'
while line:
    line = line[os.write(3, line):]
os._exit(0)
""",
    ),
    forge(
        "long-paths-to-flood-the-log",
        r"""
for number in range(90):
    try:
        os.stat("/" + str(number) + "x" * 4000)
    except OSError:
        pass
""",
    ),
)
