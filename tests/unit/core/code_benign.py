"""Code as agents write it, which no layer may stop."""

BENIGN = {
    "arithmetic": """
total = sum(x * x for x in range(10))
total
""",
    "f_string_formats": """
x = 3.14159
f'{x:.2f} {x!r:>12} {x:{10}.{3}} {1_000_000:,} {0.25:.0%}'
""",
    "format_literal": """
'{:>10}'.format('a')
""",
    "format_keyword": """
'{a}'.format(a=1)
""",
    "format_attribute": """
'{0.real} {1[0]} {a[b]}'.format(1, [2], a={'b': 3})
""",
    "format_variable": """
template = 'Dear {name}, you owe {amount:.2f}'
template.format(name='Ada', amount=3)
""",
    "format_map": """
'{x}-{y}'.format_map({'x': 1, 'y': 2})
""",
    "format_nested_spec": """
'{:{width}.{precision}f}'.format(3.14159, width=10, precision=2)
""",
    "format_as_value": """
list(map('{:02d}'.format, [1, 2]))
""",
    "format_of_str": """
str.format('{}', 1)
""",
    "format_own": """
class Report:
    def format(self, style):
        return style
Report().format('plain')
""",
    "format_builtin": """
format(3.5, '08.3f')
""",
    "percent": """
'%s is %d years, %5.1f%%' % ('Ada', 36, 99.5)
""",
    "template": """
import string
string.Template('$who likes $what').substitute(who='A', what='B')
""",
    "formatter": """
import string
string.Formatter().format('{0:>5}|{name}', 1, name='x')
""",
    "class": """
class A:
    def __init__(self, x):
        self.x = x
    def __repr__(self):
        return f'A({self.x})'
repr(A(1))
""",
    "private_on_self": """
class A:
    def __init__(self):
        self._x = 1
    def get(self):
        return self._x
A().get()
""",
    "private_of_other": """
class A:
    def __init__(self, x):
        self._x = x
    def __eq__(self, other):
        return self._x == other._x
A(1) == A(1)
""",
    "private_method": """
class A:
    def _step(self):
        return 1
    def run(self):
        return self._step()
A().run()
""",
    "mangled": """
class A:
    def __init__(self):
        self.__x = 1
    def get(self):
        return self.__x
A().get()
""",
    "private_names": """
_cache = {}
for _ in range(3):
    _cache[_] = _
_cache[2]
""",
    "singleton": """
class One:
    _it = None
    def __new__(cls):
        if cls._it is None:
            cls._it = super().__new__(cls)
        return cls._it
One() is One()
""",
    "inheritance": """
class A:
    def __init__(self):
        self.a = 1
class B(A):
    def __init__(self):
        super().__init__()
        self.b = 2
B().a
""",
    "old_inheritance": """
class A:
    def __init__(self, a):
        self.a = a
class B(A):
    def __init__(self):
        A.__init__(self, 1)
B().a
""",
    "operators": """
class V:
    def __init__(self, x):
        self.x = x
    def __add__(self, o):
        return V(self.x + o.x)
    def __lt__(self, o):
        return self.x < o.x
    def __hash__(self):
        return hash(self.x)
    __radd__ = __add__
(V(1) + V(2)).x
""",
    "properties": """
class C:
    def __init__(self):
        self._t = 0
    @property
    def t(self):
        return self._t
    @t.setter
    def t(self, v):
        self._t = v
    @staticmethod
    def s():
        return 1
    @classmethod
    def make(cls):
        return cls()
c = C.make()
c.t = 5
c.t
""",
    "slots": """
class P:
    __slots__ = ('x', '_y')
    def __init__(self):
        self.x, self._y = 1, 2
P().x
""",
    "metaclass": """
class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)
class A(metaclass=Meta):
    pass
isinstance(A(), A)
""",
    "class_name": """
class A:
    def name(self):
        return self.__class__.__name__
A().name()
""",
    "type_name": """
try:
    int('x')
except ValueError as e:
    told = type(e).__name__ + str(e.args)
told
""",
    "context_manager": """
class M:
    def __enter__(self):
        return self
    def __exit__(self, *a):
        return False
with M() as m:
    pass
""",
    "iterator": """
class It:
    def __init__(self):
        self.n = 0
    def __iter__(self):
        return self
    def __next__(self):
        self.n += 1
        if self.n > 3:
            raise StopIteration
        return self.n
list(It())
""",
    "mapping": """
class D(dict):
    def __missing__(self, k):
        return k
    def __getitem__(self, k):
        return super().__getitem__(k)
D()['a']
""",
    "closure": """
def outer():
    n = 0
    def inner():
        nonlocal n
        n += 1
        return n
    return inner
f = outer()
f()
""",
    "global": """
count = 0
def bump():
    global count
    count += 1
bump()
count
""",
    "generator": """
def g():
    got = yield 1
    yield got
i = g()
next(i)
i.send(5)
""",
    "yield_from": """
def g():
    yield from range(3)
list(g())
""",
    "comprehensions": """
{k: v for k, v in zip('ab', [1, 2]) if v}, [x for y in [[1]] for x in y], len({1, 2})
""",
    "decorator": """
import functools
def twice(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs) * 2
    return wrapper
@twice
def f(x):
    'doc'
    return x
f(2), f.__name__, f.__doc__
""",
    "decorator_class": """
import functools
class Count:
    def __init__(self, f):
        functools.update_wrapper(self, f)
        self.f, self.n = f, 0
    def __call__(self, *a):
        self.n += 1
        return self.f(*a)
@Count
def f(x):
    return x
f(1), f.n
""",
    "cache": """
from functools import lru_cache
@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(50)
""",
    "dataclass": """
from dataclasses import dataclass, field, asdict
@dataclass(order=True)
class P:
    x: int
    tags: list = field(default_factory=list)
asdict(P(1))
""",
    "enum": """
from enum import Enum, auto
class C(Enum):
    RED = auto()
    BLUE = 'b'
C['RED'].value, C('b').name, [c.name for c in C], list(C.__members__)
""",
    "named_tuple": """
from typing import NamedTuple
class P(NamedTuple):
    x: int
    y: int = 0
P(1)._asdict(), P(1)._replace(y=2)
""",
    "namedtuple": """
from collections import namedtuple
P = namedtuple('P', 'x y')
P(1, 2)._fields
""",
    "typing": """
from typing import Any, Dict, Generic, List, Optional, Tuple, TypeVar, Union
T = TypeVar('T')
class Box(Generic[T]):
    def __init__(self, x: T) -> None:
        self.x = x
def f(a: List[int], b: Optional[Dict[str, Any]] = None) -> Tuple[int, ...]:
    return tuple(a)
f([1])
""",
    "star_import": """
from math import *
sqrt(floor(4.5))
""",
    "import_as": """
import datetime as dt
from collections import OrderedDict as O
O(a=dt.date(2024, 1, 1).isoformat())
""",
    "collections_abc": """
import collections.abc
from collections.abc import Mapping
isinstance({}, Mapping) and isinstance([], collections.abc.Sequence)
""",
    "future": """
from __future__ import annotations
x: int = 1
x
""",
    "datetime": """
from datetime import datetime, timedelta, timezone
a = datetime(2024, 2, 28, tzinfo=timezone.utc)
b = a + timedelta(days=2, hours=3)
(b - a).total_seconds(), b.strftime('%Y-%m-%d %A'), b.isoformat(), b.weekday()
""",
    "strptime": """
from datetime import datetime
datetime.strptime('2024-01-31', '%Y-%m-%d').date().isoformat()
""",
    "time": """
import time
start = time.perf_counter()
time.sleep(0)
time.perf_counter() >= start
""",
    "regex": r"""
import re
m = re.search(r'(?P<user>\w+)@(\w+)\.com', 'x ada@example.com')
m.group('user'), re.sub(r'\s+', ' ', 'a  b'), re.findall(r'\d+', 'a1b22')
""",
    "json": """
import json
json.loads(json.dumps({'a': [1, 2.5, None, True, 'é']}, indent=2))['a']
""",
    "json_error": """
import json
try:
    json.loads('{')
except json.JSONDecodeError as e:
    told = e.msg
told
""",
    "decimal": """
from decimal import Decimal, ROUND_HALF_UP
str(Decimal('2.675').quantize(Decimal('0.01'), rounding=ROUND_HALF_UP))
""",
    "counter": """
from collections import Counter, defaultdict, deque
d = defaultdict(list)
d['a'].append(1)
Counter('hello').most_common(1), deque([1, 2], maxlen=1)[0]
""",
    "itertools": """
import itertools
list(itertools.chain.from_iterable(itertools.combinations('abc', 2)))
""",
    "operator": """
import operator
from operator import itemgetter, attrgetter
sorted([(2, 'a'), (1, 'b')], key=itemgetter(0)), attrgetter('real')(3), operator.methodcaller('upper')('a')
""",
    "random": """
import random
random.seed(1)
r = random.Random(2)
r.randint(1, 6) + random.choice([1, 2])
""",
    "heap": """
import heapq, bisect
h = [3, 1, 2]
heapq.heapify(h)
heapq.heappop(h), bisect.bisect([1, 2], 1)
""",
    "statistics": """
import statistics, fractions
statistics.mean([1, 2, 3]), str(fractions.Fraction(1, 3) + 1)
""",
    "hash": """
import hashlib
hashlib.sha256('a'.encode()).hexdigest()[:8]
""",
    "copy": """
import copy
a = {'x': [1]}
b = copy.deepcopy(a)
b['x'].append(2)
a
""",
    "sys": """
import sys
sys.setrecursionlimit(3000)
sys.maxsize > 2**31, sys.version_info[0], sys.argv
""",
    "print": """
import sys
print('a', 'b', sep='-', end='')
print(file=sys.stderr)
""",
    "main": """
def main():
    return 1
if __name__ == '__main__':
    main()
""",
    "exceptions": """
class Mine(Exception):
    def __init__(self, code):
        super().__init__(f'code {code}')
        self.code = code
try:
    try:
        raise Mine(3)
    except Mine as e:
        raise ValueError('outer') from e
except (ValueError, KeyError) as e:
    told = str(e)
finally:
    done = True
told
""",
    "exception_cause": """
try:
    try:
        1 / 0
    except ZeroDivisionError as e:
        raise ValueError('outer') from e
except ValueError as e:
    told = str(e.__cause__)
told
""",
    "exception_group": """
try:
    raise ExceptionGroup('g', [ValueError(1)])
except* ValueError as g:
    n = len(g.exceptions)
n
""",
    "match": """
def f(x):
    match x:
        case {'kind': 'a', **rest}:
            return rest
        case [first, *others]:
            return first
        case str() as s:
            return s
        case None:
            return None
f([1, 2])
""",
    "match_whole": """
match [1, 'a', 2.5]:
    case [int(x), str(y), float(z)]:
        found = [x, y, z]
found
""",
    "match_class": """
from dataclasses import dataclass
@dataclass
class P:
    x: int
    y: int
match P(1, 2):
    case P(x=1, y=n):
        told = n
told
""",
    "walrus": """
if (n := len('abc')) > 2:
    told = n
told
""",
    "lambda_and_sort": """
sorted(['bb', 'a'], key=lambda s: (len(s), s), reverse=True)
""",
    "own_obj": """
class Box:
    def __init__(self, obj):
        self.obj = obj
try:
    told = Box(3).obj
except ValueError as e:
    told = str(e)
told
""",
    "obj_without_handler": """
from collections import namedtuple
namedtuple('Pair', 'subj obj')(1, 2).obj
""",
    "shadowed_names": """
id, input, dir, vars = 1, 'text', 'north', {}
def f(id, input=None, open=False):
    return id, open
f(id)
""",
    "price_named_open": """
open, high, low, close = 1.0, 2.0, 0.5, 1.5
max(open, close) <= high
""",
    "unpacking": """
a, *b = [1, 2, 3]
d = {**{'x': 1}, 'y': b}
f = lambda *a, k=0, **kw: (a, k, kw)
f(*b, k=1, z=2)
""",
    "bytes": r"""
data = bytearray(b'abc')
data[0] = 65
bytes(data).decode(), int.from_bytes(b'\x01\x00', 'big'), (255).to_bytes(2, 'little').hex()
""",
    "text": r"""
text = 'Ünïcödé'
text.casefold(), text.encode('utf-8').decode('utf-8')[::-1], '\N{BULLET}'
""",
    "async_definition": """
async def f():
    return 1
c = f()
c.close()
""",
    "hasattr": """
hasattr([], '__len__') and hasattr('a', 'upper') and callable(len)
""",
    "any_order": """
any(isinstance(x, (int, float)) for x in [1, 'a']) and all(issubclass(bool, int) for _ in [1])
""",
    "memo_decorator_attribute": """
def memo(f):
    cache = {}
    def inner(n):
        if n not in cache:
            cache[n] = f(n)
        return cache[n]
    inner.__name__ = f.__name__
    return inner
memo(abs)(-1)
""",
    "popen_of_own": """
class Stack(list):
    def popen(self):
        return self.pop()
Stack([1]).popen()
""",
    "text_with_braces": """
page = '{"a": {"b.c": 1}}'
'{}'.format(page)
""",
    "total_ordering": """
from functools import total_ordering
@total_ordering
class N:
    def __init__(self, n):
        self.n = n
    def __eq__(self, o):
        return self.n == o.n
    def __lt__(self, o):
        return self.n < o.n
N(1) >= N(0)
""",
    "user_dict": """
from collections import UserDict
class D(UserDict):
    def __setitem__(self, k, v):
        super().__setitem__(k.lower(), v)
d = D()
d['A'] = 1
dict(d)
""",
}
"""Name, then code; the value of its last expression is JSON."""
