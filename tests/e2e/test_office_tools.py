"""The contracts and handlers of the example office's tools, as the engine calls them."""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest

from buddy import Call, CallContext, ChangedSince, InvalidArguments, Mode, Tool
from e2e.office_cases import EVENT, MAIL, READS, REFUSED, WRITES
from e2e.office_example import SHARED, STAFF, Office, example

tools_module = example("tools")
office_module = example("office")
Tools = dict[str, Tool]


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return {tool.name: tool for tool in tools_module.tools_for(Office(tmp_path / "office.sqlite"))}


def context(mode: Mode, key: str = "key") -> CallContext:
    return CallContext(
        mode=mode, run_id="run", step_id="s1", agent="a", attempt=1, deadline=0.0, idempotency_key=key
    )


def live(tool: Tool, args: dict[str, Any], key: str = "key") -> Any:
    return asyncio.run(tool.live(args, context(Mode.LIVE, key)))


def call_of(tool: Tool, args: dict[str, Any], key: str = "key") -> Call:
    return Call(tool=tool.name, args=args, agent="a", run_id="run", step_id="s1", idempotency_key=key)


def test_every_tool_is_there_with_a_contract_of_its_own(tools: Tools) -> None:
    assert set(tools) == set(office_module.READS) | set(office_module.WRITES)
    assert {tool.name for tool in tools_module.TOOLS} == set(tools)
    for name, tool in tools.items():
        contract = tool.contract
        assert contract.summary.endswith(".")
        assert contract.writes == (name in office_module.WRITES)
        assert contract.permissions == ((f"{name.split('.')[0]}.write",) if contract.writes else ())
        assert contract.resources or not contract.writes
        assert ("undo" in tool.handlers) == (contract.writes and not contract.irreversible)
        assert {"live", "mock"} <= tool.handlers
        assert ({"preview", "probe"} <= tool.handlers) == contract.writes


@pytest.mark.skipif(not (SHARED / "tools.toml").exists(), reason="the shared data is not here")
def test_the_contracts_promise_what_the_shared_catalogue_says(tools: Tools) -> None:
    catalogue = tomllib.loads((SHARED / "tools.toml").read_text(encoding="utf-8"))["tools"]
    for name, entry in catalogue.items():
        contract = tools[name].contract
        assert (contract.risk.value, contract.effect.value) == (entry["risk"], entry["effect"])
        assert (contract.idempotent, list(contract.permissions)) == (
            entry["idempotent"],
            entry["permissions"],
        )
        assert not contract.writes or contract.undo.value == entry["undo"]
    assert set(tools) == set(catalogue)


@pytest.mark.parametrize(("name", "args", "_"), READS, ids=str)
def test_a_read_gives_what_its_schema_says(name: str, args: dict[str, Any], _: Any, tools: Tools) -> None:
    tool = tools[name]
    assert tool.check(args) == ""
    for result in (live(tool, args), asyncio.run(tool.mock(args, context(Mode.MOCK)))):
        assert tool.check_result(result) == ""


@pytest.mark.parametrize(("name", "args", "_"), WRITES, ids=str)
def test_a_write_is_previewed_done_probed_and_undone(
    name: str, args: dict[str, Any], _: Any, tools: Tools, tmp_path: Path
) -> None:
    tool, office = tools[name], Office(tmp_path / "office.sqlite")
    start = office.state()
    assert tool.check(args) == ""
    assert tool.check_result(asyncio.run(tool.mock(args, context(Mode.MOCK)))) == ""
    preview = asyncio.run(tool.preview(args, context(Mode.DRY_RUN)))
    call = call_of(tool, args)
    assert asyncio.run(tool.probe(call)) is False
    assert office.state() == start
    result = live(tool, args)
    assert tool.check_result(result) == ""
    assert asyncio.run(tool.probe(call)) is True
    assert preview.result == result
    assert len(preview.changes) == 1
    if tool.contract.irreversible:
        assert preview.notes == ["This cannot be undone."]
        return
    restored = asyncio.run(tool.undo(call, result))
    assert restored.verified
    assert restored.exact == (tool.contract.undo.value == "exact")
    assert (office.state() == start) == restored.exact
    assert asyncio.run(tool.probe(call)) is False


@pytest.mark.parametrize(("name", "args", "reason"), REFUSED, ids=str)
def test_a_refusal_comes_before_anything_is_done(
    name: str, args: dict[str, Any], reason: str, tools: Tools
) -> None:
    tool = tools[name]
    with pytest.raises(InvalidArguments, match=reason):
        asyncio.run(tool.preview(args, context(Mode.DRY_RUN)))
    with pytest.raises(InvalidArguments, match=reason):
        live(tool, args)


def test_an_unknown_argument_is_no_argument(tools: Tools) -> None:
    assert "body" in tools["calendar.create_event"].check(EVENT | {"body": "Hm"})


def test_an_undo_says_that_somebody_was_there_since(tools: Tools) -> None:
    update = tools["calendar.update_event"]
    args = {"event_id": "00000001", "field": "duration", "new_value": "45"}
    result = live(update, args)
    live(update, args | {"new_value": "50"}, "another")
    with pytest.raises(ChangedSince):
        asyncio.run(update.undo(call_of(update, args), result))


def test_a_new_id_is_the_only_volatile_part(tools: Tools) -> None:
    for name, args, (table, before, _) in WRITES:
        (change,) = asyncio.run(tools[name].preview(args, context(Mode.DRY_RUN))).changes
        key = {
            "events": "event_id",
            "emails": "email_id",
            "customers": "customer_id",
            "tasks": "task_id",
        }.get(table)
        fresh = before is None and key is not None
        assert tools[name].contract.volatile == (("/*/resource", f"/*/after/{key}") if fresh else ())
        assert not fresh or key in change["after"]


def test_each_plan_has_a_world_of_its_own_which_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFICE_DIR", str(tmp_path))
    monkeypatch.setenv("OFFICE_DATA", str(STAFF))
    worlds = [
        {tool.name: tool for tool in tools_module.world(plan)} for plan in ("plan:1/a", "plan:2", "plan:1/a")
    ]
    assert list(tmp_path.iterdir()) == []
    for world in worlds[:2]:
        assert live(world["email.send_email"], MAIL)["email_id"] == "21"
    assert live(worlds[2]["email.send_email"], MAIL, "another")["email_id"] == "22"
    assert {path.name for path in tmp_path.glob("plan*")} == {"plan_1_a.sqlite", "plan_2.sqlite"}


def test_without_a_folder_worlds_go_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OFFICE_DIR", raising=False)
    world = {tool.name: tool for tool in tools_module.world("plan")}
    assert live(world["company_directory.find_email_address"], {"name": "ines"})
    assert Path(tools_module.scratch(), "plan.sqlite").exists()
