"""Code that calls what the allowed modules publish, to see that nothing of it reads a file."""

USES = [
    """
import datetime, time
day = datetime.datetime.strptime("2024-02-29 12:30", "%Y-%m-%d %H:%M")
now = datetime.datetime.now().astimezone()
texts = [day.strftime("%A %d %B %c %x %X %p %Z %j"), day.isoformat(), str(datetime.date.today()), str(now)]
datetime.datetime.fromtimestamp(0), datetime.datetime.fromisoformat("2024-01-01")
now.utcoffset(), day.timestamp()
time.localtime(), time.gmtime(), time.mktime(time.localtime()), time.ctime()
time.strptime("30 Nov 00", "%d %b %y")
time.strftime("%c"), time.perf_counter(), time.monotonic(), time.process_time(), time.time_ns(), time.sleep(0)
time.get_clock_info("time"), time.tzname, time.timezone
datetime.datetime(2024, 1, 1).astimezone(datetime.timezone(datetime.timedelta(hours=2)))
[str(text) for text in texts][1]
""",
    """
import random
random.seed(1); random.seed("text"); random.seed(); random.random(); random.SystemRandom().random()
made = random.Random(3)
made.shuffle([1, 2, 3]), made.sample(range(9), 2), made.gauss(0, 1), made.choices("abc", k=2)
made.randbytes(3)
made.betavariate(1, 2), made.triangular(), made.vonmisesvariate(0, 1), made.getstate()[0]
""",
    """
import string, re, json, operator, itertools, functools, collections
string.Template("$a").substitute(a=1), string.capwords("a b")
string.Formatter().format("{0!r:>5} {a}", 1, a=2)
re.compile(r"(?P<a>\\w+)\\s*(?i:b)", re.M | re.X).sub(r"\\g<a>", "ab b"), re.escape(".")
re.findall("[\\u00e9]", "\\u00e9")
re.split(r"\\b", "a b"), re.fullmatch("a", "a").groupdict(), str(re.compile("a")), re.purge()
json.dumps({"a": [1.5, None, True, "\\u00e9"]}, indent=2, sort_keys=True, ensure_ascii=False)
json.loads('{"a": [1e3, NaN]}', parse_float=str)
json.JSONEncoder().encode([1]); json.JSONDecoder().decode("[1]")
try:
    json.loads("{")
except json.JSONDecodeError as error:
    told = str(error)
collections.Counter("abca").most_common(2), collections.Counter("a") + collections.Counter("b")
collections.OrderedDict(a=1).move_to_end("a"), collections.ChainMap({}, {})
collections.deque([1], 3).rotate(1)
Point = collections.namedtuple("Point", "x y", defaults=[1]); Point(1)._replace(x=2)._asdict()
collections.defaultdict(list)["a"].append(1)
collections.UserDict(a=1), collections.UserList([1])
operator.itemgetter(1, 2)("abc"), operator.attrgetter("real")(1), operator.methodcaller("upper")("a")
list(itertools.islice(itertools.cycle("ab"), 3)), list(itertools.permutations("abc", 2))
functools.reduce(operator.add, [1, 2]), functools.lru_cache(None)(abs)(1), functools.partial(pow, 2)(3)
functools.cmp_to_key(lambda a, b: a - b)(1)
functools.total_ordering(type("T", (), {"__lt__": lambda s, o: True}))
told
""",
    """
import math, decimal, cmath, fractions, statistics
[math.sqrt(2), math.comb(5, 2), math.isclose(1, 1), math.prod([1, 2])]
[math.dist([0], [1]), math.nextafter(1, 2)]
with decimal.localcontext() as context:
    context.prec = 50
    decimal.Decimal(2).sqrt(), decimal.Decimal("1.5").quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP)
    f"{decimal.Decimal('1234.5'):,.2f}", decimal.Decimal(1).__format__("n")
decimal.getcontext(), fractions.Fraction("1/3").limit_denominator(2)
fractions.Fraction(decimal.Decimal("0.1"))
cmath.exp(1j), statistics.mean([1, 2]), statistics.stdev([1.0, 2])
statistics.median([1]), statistics.mode("aab")
statistics.quantiles([1, 2, 3]), statistics.NormalDist(0, 1).cdf(1), statistics.fmean([1])
statistics.correlation([1, 2], [2, 4])
statistics.linear_regression([1, 2], [2, 4])
statistics.harmonic_mean([1, 2]), statistics.multimode("ab")
f"{1234567.891:n} {0.5:%} {10**20:,} {255:#x}"
""",
    """
import hashlib, heapq, bisect, array, copy, dataclasses, enum, typing, sys
digests = [hashlib.new(name, b"a").name for name in sorted(hashlib.algorithms_guaranteed)]
hashlib.sha256(b"a").hexdigest(), hashlib.blake2b(b"a", digest_size=8)
hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2)
hashlib.shake_128(b"a").hexdigest(4), hashlib.scrypt(b"a", salt=b"b", n=2, r=1, p=1)
heapq.nlargest(2, [1, 2, 3]), list(heapq.merge([1], [2])), bisect.insort([1], 2)
array.array("d", [1]).tobytes()
copy.deepcopy({"a": [array.array("i", [1])]}), copy.copy(array.array("u", "a"))

@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list, compare=False)

class Colour(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()

class Row(typing.NamedTuple):
    a: int = 1

class Table(typing.TypedDict, total=False):
    rows: typing.List["Row"]

class Runs(typing.Protocol):
    def run(self) -> None: ...

T = typing.TypeVar("T")
class Box(typing.Generic[T]):
    pass

dataclasses.asdict(dataclasses.replace(Point(1), x=2)), hash(Row())
repr(Colour.RED | Colour.BLUE), Box[int]
typing.runtime_checkable(Runs), typing.cast(int, 1), typing.get_args(typing.Optional[int])
isinstance(Point(1), Runs)
copy.deepcopy(Point(1)), copy.copy(Colour.RED), enum.IntEnum("E", "A B").A
sys.getrecursionlimit(), sys.setrecursionlimit(3000), sys.stdin.read(), sys.stdout.write("")
sys.getsizeof([])
print("\\u00e9\\u4e2d", file=sys.stderr, flush=True)
repr(Point(1))
""",
    """
for name in ["utf-8", "latin-1", "ascii", "utf-16", "utf-32", "cp1252", "idna", "utf8", "l1"]:
    assert "ab".encode(name).decode(name) == "ab"
"\\u00fc".encode("idna"), b"\\\\N{DIGIT ONE}".decode("unicode_escape")
"a".encode("ascii", "xmlcharrefreplace")
try:
    "a".encode("no-such-codec")
except LookupError as error:
    told = str(error)
class Loud:
    def __del__(self):
        raise ValueError("in __del__")
Loud()
def numbers():
    yield from range(3)
async def later():
    return 1
coroutine = later(); coroutine.close()
class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)
class Made(metaclass=Meta):
    pass
Made(), list(numbers()), int("9" * 4000), str(10**4000)[:3]
"%s %r %5.2f" % ("a", "b", 1), "{:>5}".format(1)
x = 10 ** 5000
try:
    str(x)
except ValueError as error:
    told += str(error)
told
""",
]
