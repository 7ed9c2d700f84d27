"""The browser's tools through the whole pipeline: rehearsed, previewed, approved, done, undone."""

import json
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.adapters.providers.base.errors import ExtraMissing, InvalidRequest
from buddy.adapters.providers.browser.chromium import VARIABLE, executable
from buddy.adapters.providers.browser.contracts import OFFERS
from buddy.adapters.providers.browser.operations import ALLOW, OPERATIONS, allowed
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.core.schemas import checker
from providers.browser import site
from providers.serving import served

AGREE = '[[rules]]\ndecision = "approve"\ntool = "browser.button_click"\n'


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    (tmp_path / "agree.toml").write_text(AGREE)
    return tmp_path


def plan(base_url: str, *, button: str = "Send") -> dict[str, Any]:
    steps: dict[str, Any] = {
        "open": {"tool": "browser.navigate", "args": {"url": f"{base_url}/form", "page": "signup"}},
        "look": {"tool": "browser.vision_inspect", "args": {"page": "signup"}},
        "fill": {
            "tool": "browser.form_fill",
            "args": {"field": "Mail", "value": "ada@novak.example", "page": "signup"},
        },
        "word": {
            "tool": "browser.form_fill",
            "args": {"field": "Password", "secret": {"$secret": "env:WORD"}, "page": "signup"},
        },
        "press": {"tool": "browser.button_click", "args": {"button": button, "page": "signup"}},
    }
    return {
        "plan_id": "signup",
        "agent_assignments": {"eye": ["open", "look"], "hand": ["fill", "word", "press"]},
        "execution_order": list(steps),
        "confidence_scores": dict.fromkeys(steps, 0.95),
        "steps": steps,
    }


def run(mode: Mode, wanted: dict[str, Any], out: str = "out") -> wiring.RunResult:
    Path("plan.json").write_text(json.dumps(wanted))
    config = ExecutionConfig(mode=mode, output_dir=out, approvals="agree.toml")
    result = wiring.run(["plan.json"], [], config, granted_by="ada")
    assert not wiring.verify(result.folder).violations
    return result


def log(out: str = "out") -> dict[tuple[str, str], dict[str, Any]]:
    lines = (Path(out) / "tool_execution_log.jsonl").read_text().splitlines()
    return {(one["step_id"], one["mode"]): one for one in map(json.loads, lines)}


def test_mock_needs_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/chromium")
    monkeypatch.setenv("WORD", "canary-word")
    result = run(Mode.MOCK, plan("https://nowhere.example"))
    assert result.exit_code == 0
    assert SESSIONS.windows(result.run_id) == []


def test_dry_run_shows_what_would_be_filled_and_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    site.chromium()
    monkeypatch.setenv("WORD", "canary-word")
    watched = site.Site()
    with served(watched.app) as base_url:
        result = run(Mode.DRY_RUN, plan(base_url))
    assert result.exit_code == 0
    assert watched.writes == []
    fill = log()["fill", "DRY_RUN"]["preview"]["changes"][0]
    assert (fill["before"], fill["after"]) == ("old@a.example", "ada@novak.example")
    press = log()["press", "DRY_RUN"]["preview"]["changes"][0]
    assert press["request"]["method"] == "POST"
    assert press["after"]["fields"]["mail"] == "old@a.example", "nothing was filled for real"
    assert SESSIONS.windows(result.run_id) == [], "a run's windows go with it"


def test_live_fills_and_sends_once(monkeypatch: pytest.MonkeyPatch, desk: Path) -> None:
    site.chromium()
    monkeypatch.setenv("WORD", "canary-word")
    watched = site.Site()
    with served(watched.app) as base_url:
        result = run(Mode.LIVE, plan(base_url))
    assert result.exit_code == 0
    assert len(watched.sent) == 1
    assert (watched.sent[0]["mail"], watched.sent[0]["word"]) == ("ada@novak.example", "canary-word")
    kept = [path.read_bytes() for path in desk.rglob("*") if path.is_file()]
    assert not [data for data in kept if b"canary-word" in data]
    assert not [data for data in kept if b"t0ken-canary" in data]


def test_a_button_that_fails_puts_the_fields_back(monkeypatch: pytest.MonkeyPatch) -> None:
    site.chromium()
    monkeypatch.setenv("WORD", "canary-word")
    watched = site.Site()
    with served(watched.app) as base_url:
        result = run(Mode.LIVE, plan(base_url, button="Later"))
    assert result.exit_code == 1
    by_status = result.summary["steps"]["by_status"]
    assert (by_status["ROLLED_BACK"], by_status["FAILED"]) == (2, 1)
    undone = [json.loads(line) for line in Path("out/rollback_events.jsonl").read_text().splitlines()]
    assert [(one["step_id"], one["result"], one["verified"]) for one in undone] == [
        ("word", "RESTORED_EXACT", True),
        ("fill", "RESTORED_EXACT", True),
    ]
    assert watched.writes == []


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.contract.name)
def test_an_offer_is_honest_about_itself(offer: Any) -> None:
    operation = OPERATIONS[offer.contract.name]
    assert ("undo" in offer.handlers) == (operation.undo is not None)
    assert ("preview" in offer.handlers) == (operation.describe is not None)
    assert checker(offer.contract.output)(offer.contract.example) == ""


def test_the_executable_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ExtraMissing, match="expected an executable, found /nowhere"):
        executable({VARIABLE: "/nowhere"})
    with pytest.raises(ExtraMissing):
        executable({VARIABLE: str(tmp_path)})


def test_what_the_operator_lets_through_is_a_method_and_an_address() -> None:
    read = allowed({ALLOW: "POST https://a.example/graphql, PUT http://b.example/{id}"})
    assert read == [("POST", "https://a.example/graphql"), ("PUT", "http://b.example/{id}")]
    assert allowed({}) == []
    with pytest.raises(InvalidRequest, match="METHOD https://host/path"):
        allowed({ALLOW: "https://a.example"})
