import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from architecture.pages import DOCS, ROOT, text
from buddy.adapters.tools import catalogue
from buddy.core.approvals import Policy
from buddy.core.ladder import MOVES
from buddy.core.parsing import plan_document
from buddy.core.planning import plan_of
from buddy.core.status import CHANGES
from buddy.model.config import ExecutionConfig
from buddy.model.sandbox import SandboxPolicy

PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def diagrams() -> ModuleType:
    loader = SourceFileLoader("diagrams", str(ROOT / "scripts" / "diagrams"))
    spec = spec_from_loader("diagrams", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{number}", found[1])
        for page in PAGES
        for number, found in enumerate(FENCE.findall(page.read_text("utf-8")))
        if found[0] == language
    ]


class TestDiagrams:
    def test_the_page_has_what_the_tables_say(self) -> None:
        page = text("explanation/ladder.md")
        assert diagrams().drawn(page) == page, "run scripts/diagrams"

    def test_every_move_and_every_change_is_drawn(self) -> None:
        module = diagrams()
        for (mode, trigger), to in MOVES.items():
            assert f"{mode.value} --> {to.value}: {trigger.value}\n" in module.ladder()
        for (status, cause), becomes in CHANGES.items():
            assert f"{status.value} --> {becomes.value}: {cause.value}\n" in module.status()

    def test_a_page_without_markers_is_refused(self) -> None:
        with pytest.raises(ValueError, match="lacks the markers"):
            diagrams().drawn("# The ladder\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_page_is_reached_from_the_index(page: Path) -> None:
    index = DOCS / "index.md"
    assert page == index or str(page.relative_to(DOCS)) in LINK.findall(index.read_text("utf-8"))


@pytest.mark.parametrize(("place", "code"), blocks("python"), ids=lambda value: value.split("\n")[0])
def test_python_in_the_pages_compiles(place: str, code: str) -> None:
    compile(code, place, "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT


def test_python_in_the_readme_runs_as_it_stands_and_prints_what_the_page_says(tmp_path: Path) -> None:
    [code] = [code for place, code in blocks("python") if place.startswith("README.md")]
    (tmp_path / "readme.py").write_text(code)
    env = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    env |= {"BUDDY_HOME": str(tmp_path / "home")}
    env.pop("DRY_RUN", None)
    done = subprocess.run(
        [sys.executable, "readme.py"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert f"It prints `{done.stdout.strip()}`" in (ROOT / "README.md").read_text("utf-8")
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize(("place", "code"), blocks("json"), ids=lambda value: value.split("\n")[0])
def test_plans_in_the_pages_are_plans(place: str, code: str) -> None:
    document = plan_document(json.dumps(json.loads(code)).encode(), place)
    assert plan_of(document, place, "plan").steps


@pytest.mark.parametrize(("place", "code"), blocks("toml"), ids=lambda value: value.split("\n")[0])
def test_toml_in_the_pages_is_what_it_shows(place: str, code: str, tmp_path: Path) -> None:
    document = tomllib.loads(code)
    if "tools" in document:
        (tmp_path / "tools.toml").write_text(code)
        assert list(catalogue.load([tmp_path / "tools.toml"]).toolbox.names())
    elif "imports" in document:
        assert msgspec.convert(document, SandboxPolicy).imports
    elif "rules" in document:
        assert msgspec.convert(document, Policy).rules
    else:
        mode = document.pop("mode").replace("-", "_").upper()
        assert msgspec.convert({**document, "mode": mode}, ExecutionConfig).mode.value == mode


def test_the_tutorial_s_tools_load(tmp_path: Path) -> None:
    page = text("tutorial.md")
    code = next(body for language, body in FENCE.findall(page) if language == "python")
    (tmp_path / "contacts.py").write_text(code)
    loaded = catalogue.load([tmp_path / "contacts.py"])
    tool = loaded.toolbox.get("create_contact")
    assert tool is not None
    assert tool.handlers == {"live", "preview", "undo"}
    assert loaded.warnings == []
