import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, CallContext, Mode, tool
from buddy.adapters.tools.catalogue import LoadedTools, load
from buddy.model.mode import Risk

DATA = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[5] / "shared" / "data"))
CTX = CallContext(
    mode=Mode.MOCK, run_id="r", step_id="s", agent="a", attempt=1, deadline=0.0, idempotency_key="k"
)

GOOD = """
[tools."crm.find"]
risk = "LOW"
effect = "read"
example = { id = 7 }

[tools."crm.update"]
risk = "HIGH"
permissions = ["crm.write"]
resources = ["contact:{email}"]
rate = { calls = 10, seconds = 60 }
output = { type = "object", properties = { id = { type = "integer" } }, required = ["id"] }
input = { type = "object", properties = { email = { type = "string" } } }
"""

DESK = """
from buddy import tool

@tool(name="desk.sit", risk="LOW", permissions={"desk"}, resources=["desk"])
def sit(minutes: int = 5) -> int:
    return minutes
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(*paths: Path | str, **options: Any) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        load(paths, **options)
    return tuple(problem.replace(f"{Path(paths[0]).parent}/", "") for problem in caught.value.problems)


def live(loaded: LoadedTools, name: str, args: dict[str, Any]) -> Any:
    found = loaded.toolbox.get(name)
    assert found is not None
    return asyncio.run(found.live(args, CTX))


def test_nothing_is_a_catalogue_too() -> None:
    loaded = load()
    assert (list(loaded.toolbox.names()), loaded.world, loaded.warnings) == ([], None, [])
    assert loaded.toolbox.get("anything") is None


def test_tables_are_tools_without_handlers(write: Any) -> None:
    loaded = load([write("crm.toml", "\ufeff" + GOOD)], seed=3)
    assert list(loaded.toolbox.names()) == ["crm.find", "crm.update"]
    find, update = loaded.toolbox.get("crm.find"), loaded.toolbox.get("crm.update")
    assert find is not None
    assert update is not None
    assert find.contract.risk is Risk.LOW
    assert find.handlers == frozenset()
    assert asyncio.run(find.mock({}, CTX)) == {"id": 7}
    assert asyncio.run(update.mock({}, CTX)).keys() == {"id"}
    assert update.check({"email": 3}) == "/email: expected string, found 3"
    assert loaded.warnings == []


@pytest.mark.parametrize(
    "folder", ["agentdojo-travel", "agentdojo-workspace", "bfcl", "tau2-retail", "workbench"]
)
def test_real_catalogues_load_with_one_warning(folder: str) -> None:
    path = DATA / folder / "tools.toml"
    if not path.exists():
        pytest.skip(f"no {path}")
    loaded = load([path])
    assert len(loaded.toolbox) >= 15
    assert len(loaded.warnings) == 1
    assert "name no resources" in loaded.warnings[0]


def test_every_problem_of_every_file_is_told(write: Any) -> None:
    one = write(
        "one.toml", 'name = 3\n[tools."a"]\nrisk = "low"\ntimeout_s = -1\n[tools.b.create]\nrisk = "LOW"\n'
    )
    two = write("two.toml", '[tools."c"]\nrik = "LOW"\n')
    three = write("three.py", "from buddy import tool\n\n1 / 0\n")
    assert refused(one, two, three)[0] == 'one.toml: expected tables [tools."NAME"] alone, found name'
    one.write_text(one.read_text().replace("name = 3\n", ""))
    assert refused(one, two, three) == (
        "three.py:3: ZeroDivisionError while it was loaded: division by zero",
        'one.toml: [tools."a"] risk: expected "LOW", "MEDIUM" or "HIGH", found "low"',
        'one.toml: [tools."a"] timeout_s: expected seconds above 0, at most 604,800, found -1',
        'one.toml: [tools."b"] create: expected a field of a contract, found a table'
        ' (the name of a tool with a dot in it stands in quotes: [tools."x.create"])',
        'two.toml: [tools."c"] rik: expected a field of a contract (did you mean risk?), found rik',
    )


def test_the_first_hundred_problems_are_listed(write: Any) -> None:
    many = "".join(f'[tools."t{number}"]\nrisk = 1\n' for number in range(130))
    with pytest.raises(BadInput) as caught:
        load([write("many.toml", many)])
    assert (len(caught.value.problems), caught.value.omitted) == (100, 30)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.toml", '[tools."a"]\nrisk = \n', "x.toml: expected TOML: Invalid value (at line 2, column 8)"),
        ("x.toml", "tools = 3\n", 'x.toml: tools: expected tables [tools."NAME"], found 3'),
        ("x.toml", "[tools]\na = 3\n", 'x.toml: [tools] a: expected a table [tools."a"], found 3'),
        ("x.toml", '[tools."a"]\nname = "b"\n', 'x.toml: [tools."a"] name: expected a, found "b"'),
        ("x.toml", '[tools."a"]\n[tools."a"]\n', "x.toml: expected TOML: Cannot declare "),
        (
            "x.toml",
            '[tools.""]\nrisk = "LOW"\n',
            "x.toml: [tools] name: expected a name of 1 to 256 characters",
        ),
        ("x.toml", "a = " + "[" * 5_000, "x.toml: expected TOML: "),
        ("x.toml", b"\xff\xfe", "x.toml: expected UTF-8, found something else at byte 0"),
        ("x.toml", '[tools."a"]\nrisk = "HIGH"\n', "x.toml: tool a: permissions: expected at least one"),
        ("x.py", b"# \xe9", "x.py: expected UTF-8, found something else at byte 2"),
        ("x.py", "def f(:\n", "x.py:1: expected Python: invalid syntax"),
        (
            "x.py",
            "\n\nimport gone_from_here\n",
            "x.py:3: ModuleNotFoundError while it was loaded: No module named",
        ),
        ("x.py", "exit(3)\n", "x.py:1: SystemExit while it was loaded: 3"),
        ("x.py", "\0", "x.py:0: "),
        ("x.py", "TOOLS = 3\n", "x.py: TOOLS: expected a list of tools, found int"),
        ("x.py", "def f(): ...\nTOOLS = [f]\n", "x.py: TOOLS[0]: expected what @tool makes, found f"),
        ("x.py", "world = 3\n", "x.py: world: expected a function of a plan's id, found int"),
        (
            "x.py",
            "def world(plan_id): return {}\n",
            "x.py: world('catalogue'): expected a list of tools, found dict",
        ),
        (
            "x.py",
            "def world(): return []\n",
            "x.py:0: TypeError in world('catalogue'): world() takes 0 positional",
        ),
        (
            "x.py",
            "def world(p):\n  return p.x\n",
            "x.py:2: AttributeError in world('catalogue'): 'str' object",
        ),
        (
            "x.py",
            "from buddy import tool\n@tool(risk='low')\ndef f(): ...\n",
            'x.py:2: tool f: risk: expected "LOW", "MEDIUM" or "HIGH", found "low"',
        ),
        (
            "x.py",
            "from buddy import tool\n@tool\ndef f(): ...\n",
            "x.py: tool f: permissions: expected at least one",
        ),
        (
            "x.json",
            "{}",
            "x.json: expected a .toml catalogue or a .py file with tools, found one that ends with",
        ),
        ("x", "", "x: expected a .toml catalogue or a .py file with tools, found one without an ending"),
        ("x.toml", "", 'x.toml: expected a table [tools."NAME"], found no tool at all'),
        ("x.toml", "[tools]", 'x.toml: expected a table [tools."NAME"], found no tool at all'),
        ("x.py", "y = 1", "x.py: expected a function with @tool, or a world, found no tool at all"),
        ("x.py", "TOOLS = []", "x.py: expected a function with @tool, or a world, found no tool at all"),
    ],
)
def test_a_bad_file_is_one_sentence(write: Any, name: str, content: str | bytes, problem: str) -> None:
    found = refused(write(name, content))
    assert len(found) == 1
    assert found[0].startswith(problem)
    assert "Traceback" not in found[0]


def test_what_cannot_be_read_is_one_sentence(write: Any, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    for name in ("gone.toml", "gone.py", "gone"):
        assert refused(tmp_path / name) == (f"{name}: expected a file of tools, found nothing there",)
    assert refused(tmp_path / "folder.py") == ("folder.py: expected a file of tools, found a folder",)
    assert refused(write("a.py", "") / "b.py")[0].endswith("cannot be read: Not a directory")
    assert "cannot be read" in refused("null\0byte.toml")[0]


def test_an_error_in_what_a_file_imports_names_the_line_of_the_file(write: Any) -> None:
    write("broken_neighbour.py", "\n\n\nraise KeyError('x')\n")
    write("unreadable_neighbour.py", "def (\n")
    assert refused(write("a.py", "\nimport broken_neighbour\n")) == (
        "a.py:2: KeyError while it was loaded: 'x'",
    )
    assert "unreadable_neighbour.py" in refused(write("b.py", "import unreadable_neighbour\n"))[0]
    sys.modules.pop("broken_neighbour", None)


def test_python_files_give_every_tool_they_make_and_import_their_neighbours(
    write: Any, tmp_path: Path
) -> None:
    write("desk_parts.py", DESK + "\ndef more(): ...\n")
    path = write(
        "desk.py",
        "from buddy import tool\nfrom desk_parts import sit, more\n"
        "@tool(risk='LOW', resources=['x'])\ndef stand() -> str: return __name__\n"
        "TOOLS = [stand, tool(name='made', risk='LOW', resources=['x'])(more)]\n",
    )
    before = list(sys.path)
    loaded = load([path])
    assert sys.path == before
    assert list(loaded.toolbox.names()) == ["desk.sit", "stand", "made"]
    assert live(loaded, "desk.sit", {"minutes": 3}) == 3
    module = live(loaded, "stand", {})
    assert module in sys.modules
    assert module.startswith("buddy_tools_desk_")
    del sys.modules["desk_parts"]


def test_a_file_that_fails_leaves_no_module_behind(write: Any) -> None:
    refused(write("fails.py", "raise ValueError\n"))
    assert not any(name.startswith("buddy_tools_fails") for name in sys.modules)


def test_files_of_one_name_do_not_mix(write: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = write("desk.py", DESK)
    two = write(
        "other/desk.py", DESK.replace("desk.sit", "desk.lie").replace("return minutes", "return -minutes")
    )
    loaded = load([one, two, one])
    assert live(loaded, "desk.sit", {"minutes": 1}) == 1
    assert live(loaded, "desk.lie", {"minutes": 1}) == -1


def test_two_python_tools_of_one_name_are_refused(write: Any) -> None:
    @tool(name="desk.sit", risk="LOW", resources=["x"])
    def mine() -> None: ...

    one, two = write("one.py", DESK), write("two.py", DESK)
    assert refused(one, two) == (
        f"two.py: expected one tool desk.sit, found another in {one}".replace(f"{one.parent}/", ""),
    )
    assert refused(one, tools=[mine])[0].startswith("expected one tool desk.sit, found another in one.py")
    assert list(load(tools=[mine, mine]).toolbox.names()) == ["desk.sit"]


def test_tables_override_the_fields_that_they_name(write: Any) -> None:
    table = write("site.toml", '[tools."desk.sit"]\nrisk = "HIGH"\ntimeout_s = 1\n')
    for order in ([table, write("desk.py", DESK)], [write("desk.py", DESK), table]):
        loaded = load(order)
        found = loaded.toolbox.get("desk.sit")
        assert found is not None
        assert (found.contract.risk, found.contract.timeout_s) == (Risk.HIGH, 1.0)
        assert found.contract.permissions == ("desk",)
        assert found.contract.input is not None
        assert live(loaded, "desk.sit", {}) == 5
        assert loaded.warnings == [f"{table}: overrides the contracts of desk.sit"]


def test_later_tables_override_earlier_ones(write: Any) -> None:
    site = write("site.toml", '[tools."crm.find"]\nrisk = "MEDIUM"\n')
    loaded = load([write("crm.toml", GOOD), site])
    found = loaded.toolbox.get("crm.find")
    assert found is not None
    assert (found.contract.risk, found.contract.example) == (Risk.MEDIUM, {"id": 7})
    assert loaded.warnings == [f"{site}: overrides the contracts of crm.find"]


def test_the_set_is_checked_across_files(write: Any) -> None:
    one = write("one.toml", '[tools."a"]\nrisk = "LOW"\nresources = ["x"]\ndepends_on = ["b"]\n')
    two = write("two.toml", '[tools."b"]\nrisk = "LOW"\nresources = ["x"]\ndepends_on = ["a"]\n')
    assert refused(one) == ("one.toml: tool a: depends_on: expected a tool of the catalogue, found b",)
    assert refused(one, two) == ("one.toml: tools depend on one another in a circle: a -> b -> a",)


WORLD = """
from buddy import tool

def build(desk):
    @tool(name="desk.sit", risk="LOW", resources=["desk"])
    def sit() -> str:
        return desk
    return [sit]

def world(plan_id):
    if plan_id == "broken":
        raise ValueError("no room")
    if plan_id == "empty":
        return []
    made = build(plan_id)
    if plan_id == "changed":
        @tool(name="desk.sit", risk="MEDIUM", resources=["desk"])
        def sit() -> str:
            return "elsewhere"
        return [sit]
    if plan_id == "more":
        @tool(name="desk.stand", risk="LOW", resources=["desk"])
        def stand(): ...
        return [*made, stand]
    if plan_id == "handlers":
        made[0].mock(lambda: "x")
    return made
"""


def test_each_plan_has_its_own_world(write: Any) -> None:
    table = write("site.toml", GOOD + '[tools."desk.sit"]\nversion = "2"\n')
    loaded = load(
        [write("desk.py", WORLD), write("sit.py", DESK.replace("desk.sit", "shared")), table], inline=True
    )
    assert loaded.world is not None
    assert live(loaded, "desk.sit", {}) == "catalogue"
    one, two = loaded.world("one"), loaded.world("two")
    for name, box in (("one", one), ("two", two)):
        found = box.get("desk.sit")
        assert found is not None
        assert asyncio.run(found.live({}, CTX)) == name
        assert found.contract.version == "2"
        assert list(box.names()) == list(loaded.toolbox.names())


def test_a_file_with_tools_needs_no_world_for_its_catalogue(write: Any) -> None:
    loaded = load([write("desk.py", WORLD + "\nTOOLS = build('main')\n")])
    assert live(loaded, "desk.sit", {}) == "main"


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ("broken", "ValueError in world('broken'): no room"),
        ("empty", "world('empty'): expected the tool desk.sit of the catalogue, found none"),
        ("changed", "world('changed'): expected the catalogue's contract of desk.sit, found another risk"),
        ("more", "world('more'): expected the tools of the catalogue alone, found desk.stand"),
        ("handlers", "world('handlers'): expected the catalogue's handlers of desk.sit, found others"),
    ],
)
def test_a_world_that_is_not_the_catalogues_is_refused(write: Any, plan: str, problem: str) -> None:
    loaded = load([write("desk.py", WORLD)])
    assert loaded.world is not None
    with pytest.raises(BadInput) as caught:
        loaded.world(plan)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].endswith(problem)
