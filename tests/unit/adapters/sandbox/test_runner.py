import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import buddy
from buddy.adapters.sandbox import runner
from buddy.adapters.sandbox.outcome import MOST_DEPTH, MOST_MESSAGE, encode
from buddy.core.code_check import MOST_FINDINGS
from unit.adapters.sandbox.runs import BARE, EXTENDED, SPEC, UNCHECKED, error, ran, value

SOURCE = str(Path(buddy.__file__).parents[1])
ALL = [EXTENDED, UNCHECKED, BARE]


class TestValue:
    @pytest.mark.parametrize("settings", ALL)
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("1 + 1", 2),
            ("x = 1", None),
            ("", None),
            ("x = 2\nx", 2),
            ("x = 2\nx\n# the end\n", 2),
            ("'text'", "text"),
            ("def f(): pass", None),
            ("if True:\n    5", None),
            ("[1, 2.5, None, True, 'é', (1, 2)]", [1, 2.5, None, True, "é", [1, 2]]),
            ("{'a': {1: 2, None: 3, True: 4, 1.5: 5}}", {"a": {"1": 4, "null": 3, "1.5": 5}}),
            ("a + b", 3),
        ],
    )
    def test_it_is_that_of_the_last_expression(self, code: str, expected: Any, settings: Any) -> None:
        assert value(code, settings, a=1, b=2) == expected

    def test_subclasses_are_taken_for_what_they_are_made_of(self) -> None:
        code = (
            "class I(int):\n    def __repr__(self): return 'evil'\n"
            "class F(float):\n    def __repr__(self): return 'evil'\n    def __float__(self): return 9.0\n"
            "class S(str):\n    def __str__(self): return 'evil'\n    def encode(self, *a): return b'evil'\n"
            "class L(list):\n    def __iter__(self): return iter([9])\n    def __len__(self): return 1\n"
            "class T(tuple):\n    def __iter__(self): raise ValueError\n"
            "class D(dict):\n    def items(self): raise ValueError\n    __iter__ = items\n"
            "class Pretend(int):\n    __class__ = dict\n"
            "[I(1), F(1.5), S('a'), L([1, 2]), T([3]), D({S('k'): I(2)}), Pretend(3)]"
        )
        told = value(code, UNCHECKED)
        assert told == [1, 1.5, "a", [1, 2], [3], {"k": 2}, 3]
        assert [type(each) for each in told] == [int, float, str, list, list, dict, int]
        assert [type(each) for each in (*told[5], *told[5].values())] == [str, int]

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("{1, 2}", "a `set`, which JSON cannot: use a list"),
            ("[frozenset()]", "a `frozenset`, which JSON cannot: use a list"),
            ("lambda: 1", "a `function`"),
            ("print", "a `builtin_function_or_method`"),
            ("object", "a `type`"),
            ("class Mine: pass\nMine()", "a `Mine`"),
            ("float('nan')", "`nan`, which JSON cannot: use None"),
            ("[float('-inf')]", "`-inf`"),
            ("{(1, 2): 3}", "has a `tuple` for a key"),
            ("{float('inf'): 3}", "`inf`"),
            ("{1: 'a', '1': 'b'}", "two keys of a dict are both '1'"),
            ("10 ** 5000", "more than 4,300 digits"),
            ("{10 ** 5000: 1}", "more than 4,300 digits"),
            ("'\\ud800'", "surrogate"),
            ("x = []\nx.append(x)\nx", f"nested deeper than {MOST_DEPTH} levels, or contains itself"),
            ("x = {}\nx['x'] = x\nx", "contains itself"),
            ("x = []\nfor _ in range(100_000):\n    x = [x]\nx", "nested deeper"),
            ("b'bytes'", "a `bytes`"),
            ("class A:\n    __class__ = str\nA()", "a `A`"),
            ("class M(type):\n    __name__ = 'list'\nclass A(metaclass=M): pass\nA()", "a `A`"),
        ],
    )
    def test_what_json_cannot_hold_is_an_error_in_a_sentence(self, code: str, said: str) -> None:
        told = ran(code, UNCHECKED)
        assert told["error"]["type"] == "ValueNotJSON"
        assert said in told["error"]["message"]
        assert told["value"] is None
        assert told["ended"] is None

    def test_the_deepest_that_is_allowed(self) -> None:
        code = f"x = 1\nfor _ in range({MOST_DEPTH}):\n    x = [x]\nx"
        assert json.dumps(value(code)).count("[") == MOST_DEPTH

    @pytest.mark.parametrize(
        "code",
        [
            "'a' * 99",
            "'é' * 49",
            "[1] * 50",
            "{'a' * 99: 1}",
            "x = [1]\nfor _ in range(60):\n    x = [x, x]\nx",
        ],
    )
    def test_a_value_that_is_too_large(self, code: str) -> None:
        told = ran(code, EXTENDED._replace(max_result_bytes=99))
        assert (told["ended"], told["value"]) == ("result", None)
        assert told["error"]["type"] == "ValueTooLarge"
        assert "99 bytes" in told["error"]["message"]

    def test_the_largest_that_is_allowed(self) -> None:
        settings = EXTENDED._replace(max_result_bytes=99)
        assert value("'a' * 97", settings) == "a" * 97
        assert value("'é' * 48", settings) == "é" * 48


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_comes_back_as_it_went_in(given_value: Any) -> None:
    told = ran("x", x=given_value)
    assert told["value"] == given_value
    assert json.loads(encode(told)) == told


class TestError:
    def test_it_tells_line_and_the_frames_of_the_code_only(self) -> None:
        code = "import functools\ndef f(x, y):\n    return x / 0\n\nfunctools.reduce(f, [1, 2])"
        assert error(code) == {
            "type": "ZeroDivisionError",
            "message": "division by zero",
            "line": 3,
            "traceback": "Traceback (most recent call last):\n"
            '  File "<code>", line 5, in <module>\n    functools.reduce(f, [1, 2])\n'
            '  File "<code>", line 3, in f\n    return x / 0\n'
            "ZeroDivisionError: division by zero",
        }

    def test_a_syntax_error(self) -> None:
        found = error("x = 1\ny = (\n")
        assert (found["type"], found["line"]) == ("SyntaxError", 2)
        assert found["traceback"] == f'  File "<code>", line 2\n    y = (\nSyntaxError: {found["message"]}'

    @pytest.mark.parametrize(
        ("code", "kind"),
        [("\0", "SyntaxError"), ("-" * 99_999 + "1", "MemoryError"), ("x" + ".a" * 99_999, "RecursionError"),
         ("return 1", "SyntaxError"), ("'\ud800'", "UnicodeEncodeError"),
         ("[" * 300 + "]" * 300, "SyntaxError")],
        ids=["null", "unary", "attributes", "return", "surrogate", "lists"],
    )  # fmt: skip
    def test_code_that_cannot_be_compiled(self, code: str, kind: str) -> None:
        found = error(code)
        assert found["type"] == kind or (kind == "UnicodeEncodeError" and found["type"] == "SyntaxError")
        assert found["message"]

    @pytest.mark.parametrize(
        ("code", "kind", "message"),
        [
            ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
            ("raise BaseException('x')", "BaseException", "x"),
            ("raise GeneratorExit", "GeneratorExit", ""),
            ("raise SystemExit(3)", "SystemExit", "3"),
            ("raise SystemExit('no')", "SystemExit", "no"),
            ("raise SystemExit(0.0)", "SystemExit", "0.0"),
            ("class E(Exception): pass\nraise E('a', 1)", "E", "('a', 1)"),
            ("raise ValueError('\\ud800')", "ValueError", "?"),
            ("def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded"),
            ("assert 1 == 2, 'sums'", "AssertionError", "sums"),
            ("undefined", "NameError", "name 'undefined' is not defined"),
        ],
    )
    def test_whatever_it_raises_is_its_own_error(self, code: str, kind: str, message: str) -> None:
        found = error(code)
        assert (found["type"], found["message"]) == (kind, message)
        assert found["traceback"].endswith(f"{kind}: {message}" if message else kind)

    @pytest.mark.parametrize("code", ["raise SystemExit", "raise SystemExit(0)", "raise SystemExit(None)"])
    def test_an_exit_without_a_reason_is_no_error(self, code: str) -> None:
        assert value(code) is None

    @pytest.mark.parametrize(
        "body",
        ["raise KeyboardInterrupt", "raise SystemExit(0)", "return 5", "return self", "str(self)", "1/0"],
    )
    def test_an_exception_that_does_not_tell_its_message(self, body: str) -> None:
        found = error(f"class E(Exception):\n    def __str__(self):\n        {body}\nraise E", UNCHECKED)
        assert (found["type"], found["message"], found["line"]) == ("E", "(its message cannot be told)", 4)

    def test_an_exception_that_lies(self) -> None:
        code = (
            "class Text(str):\n    def __str__(self): raise ValueError\n    isascii = __str__\n"
            "class M(type):\n    __name__ = property(lambda c: 1/0)\n    __mro__ = ()\n"
            "class E(OSError, metaclass=M):\n    errno = property(lambda s: 1/0)\n"
            "    __class__ = SystemExit\n    __traceback__ = errno\n    code = 0\n"
            "    def __str__(self): return Text('told')\n"
            "raise E"
        )
        found = error(code, UNCHECKED)
        assert (found["type"], found["message"], found["line"]) == ("E", "told", 13)

    def test_a_long_message_is_cut(self) -> None:
        assert error("raise ValueError('a' * 99_999)")["message"] == "a" * MOST_MESSAGE

    def test_a_deep_traceback_is_told_in_short(self) -> None:
        found = error("def f(n):\n    return g(n + 1)\ndef g(n):\n    return f(n)\nf(0)")
        assert found["traceback"].count("\n") < 100
        assert "  ...\n" in found["traceback"]
        again = error("def f(n):\n    return f(n + 1)\nf(0)")
        assert again["traceback"].count("line 2") == 3

    @pytest.mark.parametrize(
        ("code", "ended"),
        [
            ("raise MemoryError", "memory"),
            ("class M(MemoryError): pass\nraise M('x')", "memory"),
            (f"raise OSError({errno.ENOSPC}, 'full')", "disk"),
            (f"raise OSError({errno.EDQUOT}, 'quota')", "disk"),
            (f"raise OSError({errno.EPERM}, 'no')", None),
            ("raise OSError", None),
            ("try:\n    raise MemoryError\nexcept MemoryError:\n    pass", None),
        ],
    )
    def test_limits_that_ended_it(self, code: str, ended: str | None) -> None:
        assert ran(code)["ended"] == ended


class TestFindings:
    def test_code_that_must_not_is_not_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        told = ran("print('ran')\nimport os\neval('1')")
        assert [finding[0] for finding in told["findings"]] == ["FILESYSTEM_ATTEMPT", "BUILTIN_VIOLATION"]
        assert [finding[2:] for finding in told["findings"]] == [[2, "policy"], [3, "policy"]]
        assert (told["value"], told["error"], told["ended"]) == (None, None, None)
        assert capsys.readouterr().out == ""

    def test_code_that_is_too_long_is_not_read(self) -> None:
        told = ran("1" * 100, EXTENDED._replace(max_code_bytes=99))
        assert told["findings"][0][0] == "RESOURCE_LIMIT"

    def test_each_is_noted_when_it_is_found(self) -> None:
        noted: list[Any] = []
        code = "try:\n    open('a')\nexcept NameError:\n    eval('b')"
        told = runner.run(code, {}, UNCHECKED, noted.append)
        assert [list(finding) for finding in noted] == told["findings"]
        assert [finding[0] for finding in noted] == ["FILESYSTEM_ATTEMPT", "BUILTIN_VIOLATION"]
        noted.clear()
        runner.run("import os", {}, SPEC, noted.append)
        assert len(noted) == 1

    def test_a_flood_of_them_is_capped(self) -> None:
        code = "for _ in range(1000):\n    try:\n        open('a')\n    except NameError:\n        pass"
        assert len(ran(code, UNCHECKED)["findings"]) == MOST_FINDINGS

    def test_a_name_that_code_makes_up_is_cut_and_is_text(self) -> None:
        told = ran("__import__('\\ud800' + 'a' * 99_999)", UNCHECKED)
        assert told["findings"][0][1].startswith("`?aaa")
        assert len(told["findings"][0][1]) == runner.MOST_DETAILS
        assert json.loads(encode(told)) == told

    def test_without_check_and_facades_everything_is_there(self) -> None:
        assert value("import os\ngetattr(os, 'getpid')()", BARE) == os.getpid()
        assert value("'{0.__class__}'.format(1)", BARE) == "<class 'int'>"


class TestInputs:
    def test_they_shadow_builtins(self) -> None:
        assert value("input + id", input=1, id=2) == 3

    @pytest.mark.parametrize("settings", ALL)
    def test_they_do_not_replace_what_the_code_needs(self, settings: Any) -> None:
        told = runner.run("[len([1]), __name__]", {"__builtins__": {}, "__name__": "x"}, settings)
        assert told["value"] == [1, "__main__"]


HOSTILE: dict[str, tuple[str, Any]] = {
    "recursion limit": (
        "import sys\nsys.setrecursionlimit(40)\nx = 1\nfor _ in range(99):\n    x = [x]\nx",
        None,
    ),
    "recursion limit and error": (
        "import sys\ndef f(n): return f(n + 1)\nsys.setrecursionlimit(40)\nf(1)",
        "RecursionError",
    ),
    "builtins": (
        "import builtins\nfor n in 'issubclass isinstance len type str getattr dict Exception'.split():\n"
        "    setattr(builtins, n, None)\n{'a': [1]}",
        None,
    ),
    "trace": ("import sys\ndef t(*a): raise ValueError('trace')\nsys.settrace(t)\n1", None),
    "trace and error": (
        "import sys\ndef t(*a): raise ValueError('trace')\nsys.settrace(t)\n1/0",
        "ZeroDivisionError",
    ),
    "profile": ("import sys\ndef t(*a): raise ValueError('profile')\nsys.setprofile(t)\n1", "ValueError"),
    "profile of calls": (
        "import sys\ndef t(frame, event, arg):\n    if event == 'call':\n        raise ValueError\n"
        "sys.setprofile(t)\n1",
        None,
    ),
    "json": ("import json\njson.encoder.encode_basestring = None\njson.dumps = None\n{'a': 'b'}", None),
    "main": ("import sys\nsys.modules.pop('__main__')\n1", None),
    "modules": ("import sys\nsys.modules.clear()\n1", None),
    "del raises": ("class A:\n    def __del__(self): raise KeyboardInterrupt\nx = [A()]\ndel x\n1", None),
    "generator": ("def g():\n    try:\n        yield 1\n    finally:\n        1/0\nx = g()\nnext(x)", None),
    "own runner": (
        "import sys\nm = sys.modules['buddy.adapters.sandbox.runner']\nm.succeeded = m.failed = None\n1",
        "Lost",
    ),
}
"""Name, then code and the name of the error that it comes to."""


class TestHostile:
    """In processes of their own, as they are meant to break what runs them."""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_it_never_raises(self, name: str) -> None:
        code, kind = HOSTILE[name]
        start = (
            f"import sys; sys.path.insert(0, {SOURCE!r})\n"
            "from buddy.adapters.sandbox import outcome, runner\nimport os\n"
            "from buddy.adapters.sandbox.settings import Settings\nwrite = os.write\n"
            f"told = runner.run({code!r}, {{}}, Settings((), False, False))\n"
            "write(1, outcome.encode(told))"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", start], capture_output=True, text=True, timeout=20
        )
        told = json.loads(done.stdout.splitlines()[-1])
        assert told.keys() == {"value", "error", "findings", "ended"}
        assert (told["error"] or {"type": None})["type"] == kind

    def test_a_forged_main_is_put_back(self) -> None:
        before = sys.modules["__main__"]
        ran("1/0")
        assert sys.modules["__main__"] is before

    def test_even_what_cannot_be_told_is_an_outcome(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "failed", None)
        assert ran("1/0")["error"]["type"] == "Lost"


def test_an_outcome_is_encoded_as_it_is() -> None:
    told = ran("{'a': 'é\\n', 'b': [1.5, None, True]}")
    assert json.loads(encode(told)) == told


QUIET = """
import os, sys, time
sys.path[:0] = {paths!r}
from uses import USES
from buddy.adapters.sandbox import runner
from buddy.adapters.sandbox.settings import Settings
settings = Settings(imports={imports!r})
time.tzset()
runner.preload(settings.imports, settings)
if not os.fork():
    os.write(2, b"sealed")
    for code in USES:
        told = runner.run(code, {{}}, settings)
        assert not told["error"] and not told["findings"], told
    sys.stdout.flush()
    os.write(2, b"done")
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
def test_no_file_is_touched_once_everything_is_loaded(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    script = QUIET.format(paths=[SOURCE, here], imports=EXTENDED.imports)
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-o",
            str(tmp_path / "trace"),
            "-e",
            "trace=all",
            sys.executable,
            "-I",
            "-S",
            "-c",
            script,
        ],
        env={"TZ": "UTC"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "trace").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if '"sealed"' in line)
    end = next(number for number, line in enumerate(lines) if 'write(2, "done"' in line)
    calls = {line.split(None, 1)[1].split("(")[0] for line in lines[start:end] if "(" in line}
    allowed = {"write", "brk", "mmap", "munmap", "mremap", "madvise", "getrandom", "clock_nanosleep", "wait4"}
    assert calls <= allowed | {"clock_gettime", "clock_getres", "rt_sigprocmask", "futex", "mprotect"}


@pytest.mark.parametrize(("facades", "found"), [(True, "ModuleNotFoundError"), (False, "sqlite3")])
def test_under_facades_nothing_more_can_be_imported(facades: bool, found: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); import buddy.adapters.sandbox.runner as r\n"
        f"r.preload(('math', 'no_such_module'), r.Settings(('math',), facades={facades}))\n"
        "try:\n    import sqlite3\n    print(sqlite3.__name__)\n"
        "except ImportError as e:\n    print(type(e).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found


def test_the_child_s_modules_load_nothing_but_the_standard_library() -> None:
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); import buddy.adapters.sandbox.runner as r, sysconfig; "
        f"r.preload({EXTENDED.imports!r}, r.Settings()); "
        "print([n for n, m in sys.modules.items() if 'site-packages' in str(getattr(m, '__file__', ''))])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert "msgspec" not in done.stdout
