"""Code that takes what is not its own: time, memory, output, disk; and code that breaks the parser."""

from sandbox.attack import FAILS, FILE, IMPORT, LIMIT, TIME, Attack, Layer, Setting, Types

AHEAD = (Setting.AS_IS, Setting.BARE)
"""The facades make no difference."""


def hang(name: str, technique: str, code: str, *, refused: Types = (), also: Types = ()) -> Attack:
    """Code that does not end by itself."""
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=(*refused, TIME, *also),
        no_check=(*refused, TIME, *also),
        bare=(TIME, *also),
        holds=Layer.SUPERVISOR,
        timeout_s=0.15,
        only=(Setting.BARE,) if refused else AHEAD,
    )


def flood(
    name: str,
    technique: str,
    code: str,
    *,
    refused: Types = (),
    also: Types = (),
    policy: str = "spec",
    timeout_s: float = 5.0,
    only: tuple[Setting, ...] = tuple(Setting),
) -> Attack:
    """Code that takes more than it may have."""
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=(*refused, LIMIT, *also),
        no_check=(*refused, LIMIT, *also),
        bare=(LIMIT, *also),
        policy=policy,
        holds=Layer.SUPERVISOR,
        escapes=bool(refused),
        timeout_s=timeout_s,
        only=only,
    )


def bomb(name: str, code: str, technique: str = "parser bombs", found: Types = FAILS) -> Attack:
    """Code that no parser should take, or no stack: it fails, and everything around it lives on."""
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=found,
        no_check=found,
        bare=found,
        timeout_s=5.0,
        only=AHEAD,
    )


LIMITS = (
    hang("loop", "hangs", "while True:\n    pass"),
    hang("sleep", "sleep with signals ignored", "import time\ntime.sleep(60)"),
    hang(
        "sleep-with-signals-ignored",
        "sleep with signals ignored",
        r"""
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
""",
        refused=(IMPORT,),
    ),
    hang(
        "signals-blocked",
        "sleep with signals ignored",
        r"""
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
time.sleep(60)
""",
        refused=(IMPORT,),
    ),
    hang(
        "catch-everything",
        "hangs",
        r"""
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
""",
    ),
    hang("power-of-power", "9**9**9", "9**9**9", also=(LIMIT,)),
    hang("power-in-a-constant", "9**9**9", "x = 7\nx**(x**(x**x))", also=(LIMIT,)),
    hang(
        "shift",
        "9**9**9",
        r"""
x = 1 << 30
y = (1 << x) * (1 << x)
str(y)
""",
        also=(LIMIT,),
    ),
    hang("regular-expression", "ReDoS", "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')"),
    hang("regular-expression-of-choices", "ReDoS", "import re\nre.search('(x|xx|x*)*y', 'x' * 90)"),
    hang("endless-sum-in-c", "hangs", "import itertools\nsum(itertools.repeat(1))"),
    hang("endless-search-in-c", "hangs", "import itertools\n-1 in itertools.count()"),
    hang(
        "endless-generator",
        "hangs",
        r"""
import collections, itertools
collections.deque(itertools.repeat(0), maxlen=0)
""",
    ),
    hang("hash-collisions", "hangs", "m = (1 << 61) - 1\n{i * m for i in range(10**5)}"),
    hang(
        "finaliser-that-hangs",
        "sleep with signals ignored",
        r"""
import time
class A:
    def __del__(self, s=time.sleep):
        s(60)
a = A()
del a
""",
    ),
    hang(
        "exception-that-hangs",
        "sleep with signals ignored",
        r"""
import time
class A(Exception):
    def __str__(self):
        time.sleep(60)
raise A
""",
    ),
    hang(
        "select-for-ever",
        "sleep with signals ignored",
        "import select\nselect.select([], [], [], 60)",
        refused=(IMPORT,),
    ),
    flood("memory-at-once", "memory flood", "x = [0] * 10**10\nlen(x)"),
    flood(
        "memory-by-and-by",
        "memory flood",
        r"""
x = []
while True:
    x.append('y' * 10**6)
""",
    ),
    flood("memory-as-bytes", "memory flood", "x = bytearray(2**29)\nlen(x)"),
    flood(
        "memory-by-doubling",
        "memory flood",
        r"""
x = 'ab'
while True:
    x = x + x
""",
    ),
    flood(
        "memory-caught-and-again",
        "memory flood",
        r"""
kept = []
def more():
    while True:
        kept.append(bytes(10**7))
try:
    more()
except MemoryError:
    more()
""",
    ),
    flood(
        "limits-raised",
        "raising rlimits",
        r"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
x = bytearray(2**33)
""",
        refused=(IMPORT,),
        also=(FILE,),
    ),
    flood(
        "limit-raised-by-prlimit",
        "raising rlimits",
        r"""
import resource
resource.prlimit(0, resource.RLIMIT_NPROC, (9, 9))
""",
        refused=(IMPORT,),
        also=(FILE,),
    ),
    flood(
        "limits-of-open-files-raised",
        "raising rlimits",
        r"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
""",
        refused=(IMPORT,),
        also=(FILE,),
    ),
    flood(
        "nice",
        "raising rlimits",
        "import os\nos.setpriority(os.PRIO_PROCESS, 0, -20)",
        refused=(FILE,),
        also=(FILE,),
    ),
    flood("output", "output flood", "while True:\n    print('x' * 10**5)"),
    flood(
        "output-in-small-pieces",
        "output flood",
        "while True:\n    print('x' * 99, flush=True)",
        timeout_s=10.0,
        only=(Setting.BARE,),
    ),
    flood(
        "output-past-python",
        "output flood",
        r"""
import os
while True:
    os.write(2, b'x' * 10**5)
""",
        refused=(FILE,),
    ),
    flood("value", "output flood", "'x' * 3_000_000"),
    flood("value-of-many-parts", "output flood", "[list(range(1000))] * 1000"),
    flood(
        "report-forged-without-end",
        "output flood",
        r"""
import os
while True:
    os.write(3, b'x' * 10**5)
""",
        refused=(FILE,),
    ),
    flood("error-message", "output flood", "raise ValueError('x' * 10**8 * 9)"),
    flood(
        "denied-calls",
        "violation flood",
        r"""
import os
while True:
    try:
        os.stat('/')
    except OSError:
        pass
""",
        refused=(FILE,),
        also=(FILE,),
    ),
    bomb("parentheses", "(" * 100_000 + ")" * 100_000),
    bomb("minus-signs", "-" * 100_000 + "1"),
    bomb("lists", "[" * 5_000 + "]" * 5_000),
    bomb("sums", "1" + "+1" * 60_000 + " + nothing"),
    bomb("attributes", "x" + ".a" * 60_000),
    bomb("calls", "f" + "()" * 60_000),
    bomb("lambdas", "lambda: " * 10_000 + "x"),
    bomb("indents", "".join(" " * n + "if 1:\n" for n in range(120)) + " " * 121 + "x"),
    bomb("nul-bytes", "x = 1\0\nopen(CANARY)"),
    bomb("lone-surrogate", "x = '\\ud800'\nprint(x)\nx.encode()"),
    bomb("other-encoding", "# -*- coding: utf_7 -*-\n+AAo-nothing()"),
    bomb("comprehensions", "[x " + "for x in [1] " * 3_000 + "]\nnothing"),
    bomb("many-statements", "nothing\n" * 9_000),
    bomb(
        "deep-recursion",
        r"""
def f(n):
    return f(n + 1)
f(0)
""",
        "deep recursion",
    ),
    bomb(
        "deep-repr",
        r"""
x = []
for _ in range(10**5):
    x = [x]
repr(x)
""",
        "deep recursion",
    ),
    bomb(
        "deep-value",
        r"""
x = []
for _ in range(10**5):
    x = [x]
x
""",
        "deep recursion",
    ),
    bomb(
        "circular-value",
        r"""
x = []
x.append(x)
x
""",
        "deep recursion",
    ),
    Attack(
        name="recursion-limit-raised",
        technique="deep recursion",
        code=r"""
import sys
sys.setrecursionlimit(10**9)
class A:
    def __repr__(self):
        return repr([self])
repr(A())
""",
        as_is=FAILS,
        no_check=FAILS,
        bare=(LIMIT,),
        policy="extended",
        holds=Layer.SUPERVISOR,
    ),
    Attack(
        name="code-over-the-cap",
        technique="parser bombs",
        code="x = 1\n" * 60_000 + "nothing",
        as_is=(LIMIT,),
        no_check=FAILS,
        bare=FAILS,
        only=(Setting.AS_IS,),
    ),
)
