import importlib
from types import ModuleType

import pytest

from buddy.adapters.sandbox.facades import FORMATS, facades, public_names
from buddy.adapters.sandbox.guards import MOST_FRAMES
from buddy.core.code_rules import BLOCKED_BUILTINS, HIDDEN, SAFE_BUILTINS
from unit.adapters.sandbox.runs import EXTENDED, SPEC, UNCHECKED, error, ran, value
from unit.core.code_benign import BENIGN

BOTH = [EXTENDED, UNCHECKED]
IMPORTS = frozenset(EXTENDED.imports)


@pytest.mark.parametrize("name", BENIGN)
def test_usual_code_runs(name: str) -> None:
    value(BENIGN[name])


class TestBuiltins:
    def test_the_published_list_and_no_other(self) -> None:
        shown = facades(frozenset()).begin(lambda *_: None)
        exceptions = {
            name for name, each in shown.items() if isinstance(each, type) and issubclass(each, BaseException)
        }
        constants = {"None", "True", "False", "Ellipsis", "NotImplemented", "__debug__"}
        machinery = {"__build_class__", "__import__", "__name__", FORMATS}
        blocked = {name for name in BLOCKED_BUILTINS if name in shown}
        assert set(shown) == SAFE_BUILTINS | exceptions | constants | machinery | blocked
        assert "ValueError" in exceptions

    @pytest.mark.parametrize("name", [name for name in BLOCKED_BUILTINS if "_" not in name])
    def test_a_blocked_one_says_so_where_it_is_called_and_is_noted(self, name: str) -> None:
        told = ran(f"x = 1\n{name}('a')", UNCHECKED)
        kind = "FILESYSTEM_ATTEMPT" if name == "open" else "BUILTIN_VIOLATION"
        [finding] = told["findings"]
        assert finding == [kind, f"`{name}` is not available: {BLOCKED_BUILTINS[name]}", 2, "facade"]
        assert told["error"]["type"] == "NameError"
        assert told["error"]["line"] == 2

    def test_what_was_caught_is_noted_all_the_same(self) -> None:
        told = ran("try:\n    open('x')\nexcept NameError:\n    pass\n5", UNCHECKED)
        assert told["value"] == 5
        assert [finding[0] for finding in told["findings"]] == ["FILESYSTEM_ATTEMPT"]

    def test_one_run_leaves_nothing_for_the_next(self) -> None:
        code = "__builtins__['len'] = lambda x: 7\nlen([])"
        assert ran(code, UNCHECKED)["value"] == 7
        assert value("len([])", UNCHECKED) == 0


class TestImports:
    @pytest.mark.parametrize("settings", BOTH)
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("import math\nmath.floor(1.5)", 1),
            ("import datetime as dt\ndt.date(2024, 1, 2).isoformat()", "2024-01-02"),
            ("from collections import OrderedDict as O\nlist(O(a=1))", ["a"]),
            ("from math import *\nfloor(2.5)", 2),
            ("import collections.abc\nisinstance([], collections.abc.Sized)", True),
            ("import collections.abc as c\nissubclass(list, c.Sequence)", True),
            ("from collections import abc\nissubclass(dict, abc.Mapping)", True),
            ("from collections.abc import Mapping\nissubclass(dict, Mapping)", True),
            ("from typing import List\nstr(List[int])", "typing.List[int]"),
            ("from __future__ import annotations\n1", 1),
            ("import hashlib\nhasattr(hashlib, 'sha256')", True),
            ("import json\nhasattr(json, 'nothing')", False),
        ],
    )
    def test_allowed_modules_come_in_every_form(self, code: str, expected: object, settings: object) -> None:
        assert value(code, settings) == expected  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("import os", "FILESYSTEM_ATTEMPT"),
            ("import socket", "NETWORK_ACCESS_ATTEMPT"),
            ("from subprocess import run", "SUBPROCESS_ATTEMPT"),
            ("import ctypes.util", "IMPORT_ALLOWLIST_VIOLATION"),
            ("import json.decoder", "IMPORT_ALLOWLIST_VIOLATION"),
            ("from json import decoder", "IMPORT_ALLOWLIST_VIOLATION"),
            ("from . import x", "IMPORT_ALLOWLIST_VIOLATION"),
            ("__import__('os')", "FILESYSTEM_ATTEMPT"),
            ("class Name(str):\n    pass\n__import__(Name('os'))", "FILESYSTEM_ATTEMPT"),
            (
                "class Lie(str):\n    __eq__ = lambda s, o: True\n    __hash__ = lambda s: hash('math')\n"
                "__import__(Lie('os'))",
                "FILESYSTEM_ATTEMPT",
            ),
            ("__import__('no_such_module', None, None, [])", "IMPORT_ALLOWLIST_VIOLATION"),
        ],
    )
    def test_others_are_refused_and_noted(self, code: str, kind: str) -> None:
        told = ran(code, UNCHECKED)
        line = len(code.splitlines())
        assert [(f[0], f[2], f[3]) for f in told["findings"]] == [(kind, line, "facade")]
        assert told["error"]["type"] == "ImportError"

    def test_asking_as_the_interpreter_does_gives_nothing(self) -> None:
        assert value("__import__('os', None, None, []) is None", UNCHECKED) is True

    def test_a_module_that_is_allowed_and_not_installed_is_missing(self) -> None:
        settings = SPEC._replace(imports=("no_such_module", "no_such_module.part"))
        assert error("import no_such_module", settings)["type"] == "ModuleNotFoundError"

    def test_an_own_policy_may_allow_a_part_of_a_package(self) -> None:
        settings = SPEC._replace(imports=("os.path",))
        assert value("import os.path\nos.path.basename('/a/b')", settings) == "b"
        assert value("import os.path as p\np.join('a', 'b')", settings) == "a/b"
        assert value("from os.path import splitext\nsplitext('a.b')", settings) == ["a", ".b"]
        assert error("import os.path\nos.nothing", settings)["type"] == "AttributeError"
        assert ran("import os", settings)["findings"][0][0] == "FILESYSTEM_ATTEMPT"


class TestModules:
    @pytest.mark.parametrize("name", [*sorted(IMPORTS - {"sys"}), "collections.abc"])
    def test_what_is_public_is_there_and_no_module_behind_it(self, name: str) -> None:
        real = importlib.import_module(name)
        names = public_names(name, real)
        assert names
        assert not any(each.startswith("_") for each in names)
        assert not any(isinstance(getattr(real, each), ModuleType) for each in names)
        if hasattr(real, "__all__"):
            dropped = {n for n in real.__all__ if n not in names}
            assert dropped <= HIDDEN.get(name, frozenset())

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("import random\nrandom._os", "FILESYSTEM_ATTEMPT"),
            ("import random\nrandom._urandom", "BUILTIN_VIOLATION"),
            ("import datetime\ndatetime.sys", "IMPORT_ALLOWLIST_VIOLATION"),
            ("import re\nre.enum.sys", "IMPORT_ALLOWLIST_VIOLATION"),
            ("import json\njson.codecs", "IMPORT_ALLOWLIST_VIOLATION"),
            ("import typing\ntyping.get_type_hints", "BUILTIN_VIOLATION"),
            ("import typing\ntyping.ForwardRef", "BUILTIN_VIOLATION"),
            ("import sys\nsys.modules", "IMPORT_ALLOWLIST_VIOLATION"),
            ("import sys\nsys._getframe(0)", "BUILTIN_VIOLATION"),
            ("import sys\nsys.settrace", "BUILTIN_VIOLATION"),
        ],
    )
    def test_what_is_behind_it_is_refused_and_noted(self, code: str, kind: str) -> None:
        told = ran(code, UNCHECKED)
        assert [(f[0], f[2], f[3]) for f in told["findings"]] == [(kind, 2, "facade")]
        assert told["error"]["type"] in {"AttributeError", "ImportError"}

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("system", "SUBPROCESS_ATTEMPT"),
            ("listdir", "BUILTIN_VIOLATION"),
            ("sys", "IMPORT_ALLOWLIST_VIOLATION"),
        ],
    )
    def test_a_package_that_is_shown_for_a_part_keeps_the_rest(self, name: str, kind: str) -> None:
        settings = UNCHECKED._replace(imports=("os.path",))
        told = ran(f"import os.path\nos.{name}", settings)
        assert [(f[0], f[2], f[3]) for f in told["findings"]] == [(kind, 2, "facade")]
        assert told["error"]["type"] == "AttributeError"

    def test_a_mistake_is_no_violation(self) -> None:
        told = ran("import math\nmath.squrt(2)")
        assert told["findings"] == []
        assert told["error"]["message"] == "module 'math' has no attribute 'squrt'"

    def test_showing_a_module_is_no_violation(self) -> None:
        assert "math" in value("import math\nrepr(math)")

    def test_no_name_is_hidden_that_does_not_exist(self) -> None:
        newer = {"evaluate_forward_ref"}
        for name, hidden in HIDDEN.items():
            real = importlib.import_module(name)
            assert {each for each in hidden if not hasattr(real, each)} <= newer


class TestGuards:
    @pytest.mark.parametrize(
        "code",
        [
            "import operator\noperator.attrgetter('__cl' + 'ass__')(1)",
            "import operator\noperator.attrgetter('real', 'a.b.__x')",
            "import operator\noperator.attrgetter('gi_' + 'frame')",
            "import operator\noperator.attrgetter('format')",
            "import operator\noperator.methodcaller('__subcl' + 'asses__')",
            "import operator\noperator.methodcaller('format', 1)",
            "import string\nstring.Formatter().format('{0.__cl' + 'ass__}', 1)",
            "import string\nstring.Formatter().get_field('0.__cl' + 'ass__', [1], {})",
            "x = '{0.__cl' + 'ass__}'\nx.format(1)",
            "x = '{0.__cl' + 'ass__}'\nstr.format(x, 1)",
            "x = '{0.__cl' + 'ass__}'\nx.\uff46ormat(1)",
            "x = '{a.__cl' + 'ass__}'\nx.format_map({'a': 1})",
            "x = '{0:{1.__cl' + 'ass__}}'\nlist(map(x.format, [1], [2]))",
            "class T(str): pass\nT('{0.__cl' + 'ass__}').format(1)",
            "class T(str):\n    def go(self): return super().format(1)\nx = T('{0.gi_' + 'frame}').go()",
        ],
    )
    def test_no_private_attribute_by_its_name(self, code: str) -> None:
        told = ran(code, UNCHECKED)
        assert told["error"]["type"] == "AttributeError"
        assert [(f[0], f[3]) for f in told["findings"]] == [("BUILTIN_VIOLATION", "facade")]

    def test_a_text_that_changes_its_mind_gets_nowhere(self) -> None:
        code = (
            "import operator\nclass Two(str):\n    def split(self, *a):\n        return ['real']\n"
            "    def __str__(self):\n        return 'real'\noperator.attrgetter(Two('__cl' + 'ass__'))"
        )
        assert error(code, UNCHECKED)["type"] == "AttributeError"

    def test_the_type_of_a_guarded_getter_makes_no_unguarded_one(self) -> None:
        code = "import operator\ntype(operator.attrgetter('real'))('__class__')"
        assert error(code, UNCHECKED)["type"] == "TypeError"

    def test_super_of_a_formatter_leads_nowhere(self) -> None:
        code = (
            "import string\nf = string.Formatter()\nsuper(string.Formatter, f).get_field('0.real', [1], {})"
        )
        assert error(code, UNCHECKED)["type"] == "AttributeError"

    def test_not_a_name(self) -> None:
        assert error("import operator\noperator.attrgetter(1)", UNCHECKED)["type"] == "TypeError"

    def test_wrapping_takes_no_choice_of_attributes(self) -> None:
        code = "import functools\nfunctools.update_wrapper(print, print, ('__self__',))"
        assert error(code, UNCHECKED)["type"] == "TypeError"

    def test_wrapping_keeps_names_and_what_functions_carry(self) -> None:
        code = (
            "import functools\ndef f():\n    'doc'\nf.tag = 1\n@functools.wraps(f)\ndef g(): pass\n"
            "[g.__name__, g.__doc__, g.tag]"
        )
        assert value(code) == ["f", "doc", 1]

    def test_a_dataclass_of_another_module(self) -> None:
        code = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    __module__ = 'os'\n    x: int"
        assert error(code, UNCHECKED)["type"] == "TypeError"

    def test_methods_of_a_dataclass_see_what_the_code_sees(self) -> None:
        code = (
            "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\n"
            "A.__init__.__globals__['__builtins__']['open'] is open"
        )
        assert value(code, UNCHECKED) is True

    def test_what_is_no_text_keeps_its_format(self) -> None:
        code = (
            "class R:\n    format = 3\n    def format_map(s):\n        return 4\n[R.format, R().format_map()]"
        )
        assert value(code) == [3, 4]

    def test_a_missing_format_is_an_ordinary_mistake(self) -> None:
        assert error("(1).format")["message"] == "'int' object has no attribute 'format'"
        assert error("str.format()")["type"] == "TypeError"


class TestSystem:
    def test_what_it_shows(self) -> None:
        code = "import sys\n[sys.argv, sys.maxsize > 1, sys.version_info[0]]"
        assert value(code) == [[], True, 3]

    def test_input_is_at_its_end(self) -> None:
        code = (
            "from sys import stdin, stdout\nstdout.flush(), stdout.isatty()\n"
            "[stdin.read(), stdin.readline(), stdin.readlines(), list(stdin), stdin.isatty()]"
        )
        assert value(code) == ["", "", [], [], False]

    def test_output_goes_where_print_goes(self, capsys: pytest.CaptureFixture[str]) -> None:
        value("import sys\nsys.stdout.write('a')\nsys.stderr.writelines(['b'])\nprint('c', file=sys.stderr)")
        assert capsys.readouterr().out == "abc\n"

    def test_exit(self) -> None:
        assert ran("import sys\nsys.exit()\n1")["error"] is None
        assert error("import sys\nsys.exit('because')")["message"] == "because"

    def test_the_recursion_limit_has_one(self) -> None:
        code = "import sys\nsys.setrecursionlimit(10**9)\nsys.getrecursionlimit()"
        assert value(code) == MOST_FRAMES

    def test_a_number_that_lies_about_its_size_is_held_to_it(self) -> None:
        code = (
            "import sys\nclass N(int):\n    def __lt__(s, o): return True\n    __gt__ = __lt__\n"
            "sys.setrecursionlimit(N(10**6))\nsys.getrecursionlimit()"
        )
        assert value(code) == MOST_FRAMES

    def test_spec_has_none(self) -> None:
        assert ran("import sys", SPEC)["findings"][0][0] == "IMPORT_ALLOWLIST_VIOLATION"
