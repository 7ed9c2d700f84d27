"""Each fault of the service for each operation: the right error, never two sends, the truth afterwards."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from buddy import ExecutionConfig, Harness, Mode
from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.api import Patience
from buddy.adapters.providers.base.errors import (
    AuthError,
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.gohighlevel import operations
from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.tools.decorator import Tool
from buddy.errors import ToolError
from providers.desk import context, environment, tools

ATTEMPTS = 3
LONG = Patience(timeout_s=5.0, attempts=ATTEMPTS, total_s=15.0, first_s=0.001, most_s=0.002)
SHORT = replace(LONG, timeout_s=0.25)
"""Where the service stalls; elsewhere a slow machine must not look like one that does."""
MEANINGS: dict[str, type[ProviderError]] = {
    "400": InvalidRequest,
    "401": AuthError,
    "403": AuthError,
    "404": NotFound,
    "408": ProviderTimeout,
    "409": Conflict,
    "422": InvalidRequest,
    "429": RateLimited,
    "500": ProviderUnavailable,
    "502": ProviderUnavailable,
    "503": ProviderUnavailable,
    "504": ProviderTimeout,
    "stall": ProviderTimeout,
    "stall-after": ProviderTimeout,
    "cut-before": ProviderUnavailable,
    "cut-after": ProviderUnavailable,
}
HAPPENED = {"stall-after", "cut-after"}
AGAIN = {"408", "429", "500", "502", "503", "504", "stall", "stall-after", "cut-before", "cut-after"}
WRITES: dict[str, dict[str, Any]] = {
    "create_contact": {"email": "new@x.example"},
    "upsert_contact": {"email": "new@x.example"},
    "update_contact": {"contact_id": "", "city": "Rome"},
    "delete_contact": {"contact_id": ""},
}
READS: dict[str, dict[str, Any]] = {
    "get_contact": {"contact_id": ""},
    "search_contact": {"email": "ada.lovelace@example.com"},
    "list_contacts": {},
    "test_connection": {},
}


class Service:
    """A served simulator with tools that lose their patience soon."""

    def __init__(self, sim: Simulator, tools: dict[str, Tool]) -> None:
        self.sim, self._tools = sim, tools
        self.patience = LONG

    def goes_wrong(self, kind: str, **more: Any) -> None:
        """Let a fault happen, and be as patient as that needs."""
        self.patience = SHORT if kind.startswith("stall") else LONG
        self.sim.layer.set(Faults(rates={kind: 1.0}, stall_s=0.5, **more))

    def call(self, name: str, args: dict[str, Any]) -> Any:
        given = (
            {**args, "contact_id": self.sim.state()["contacts"][0]["id"]} if "contact_id" in args else args
        )
        return asyncio.run(self._tools[f"gohighlevel.{name}"].live(given, context(Mode.LIVE)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, str]]:
    sim = simulator(4, contacts=3, limit=(0, 0.02))
    with serving.running(sim) as url:
        yield sim, url


@pytest.fixture
def service(
    served: tuple[Simulator, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    sim, url = served
    sim.reset()
    made = Service(sim, tools(environment(sim, url, tmp_path)))

    def client(*args: Any, **more: Any) -> GoHighLevelClient:
        return GoHighLevelClient(*args, **more, patience=made.patience)

    monkeypatch.setattr(operations, "GoHighLevelClient", client)
    yield made
    sim.layer.set(Faults())


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_sent_once_and_its_error_says_what_is_known(
    service: Service, name: str, kind: str
) -> None:
    sim = service.sim
    before = sim.digest()
    service.goes_wrong(kind, on="writes")
    with pytest.raises((ProviderError, Uncertain)) as failure:
        service.call(name, WRITES[name])
    error = failure.value
    doubtful = kind not in ("400", "401", "403", "404", "409", "422", "429")
    assert isinstance(error, Uncertain) == doubtful
    assert isinstance(error, ToolError) != doubtful
    assert type(error.error if isinstance(error, Uncertain) else error) is MEANINGS[kind]
    assert sim.layer.counts.writes == (ATTEMPTS if kind == "429" else 1)
    assert sim.layer.counts.effects == int(kind in HAPPENED)
    assert (sim.digest() != before) == (kind in HAPPENED)


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize("name", READS)
def test_a_read_is_tried_again_where_that_can_help(service: Service, name: str, kind: str) -> None:
    sim = service.sim
    service.goes_wrong(kind)
    with pytest.raises(MEANINGS[kind]) as failure:
        service.call(name, READS[name])
    assert type(failure.value) is MEANINGS[kind]
    assert sim.layer.counts.requests == (ATTEMPTS if kind in AGAIN else 1)
    sim.reset()
    service.goes_wrong(kind, most=1)
    if kind in AGAIN:
        service.call(name, READS[name])
        assert sim.layer.counts.requests == 2


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_was_refused_for_its_pace_alone_is_sent_again(service: Service, name: str) -> None:
    service.goes_wrong("429", on="writes", most=2)
    service.call(name, WRITES[name])
    assert (service.sim.layer.counts.writes, service.sim.layer.counts.effects) == (3, 1)


def test_a_service_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "GoHighLevelClient", partial(GoHighLevelClient, patience=SHORT))
    sim = simulator(4)
    closed = tools(environment(sim, "http://127.0.0.1:9", tmp_path))
    for name, args in (("create_contact", {"email": "a@b.example"}), ("test_connection", {})):
        with pytest.raises(ProviderUnavailable):
            asyncio.run(closed[f"gohighlevel.{name}"].live(args, context(Mode.LIVE)))


# through the ladder


def run(
    service: Service, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]
) -> Any:
    for name, value in environment(service.sim, url, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DRY_RUN", raising=False)
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(tmp_path / "run"), exponential_base=0.01)
    plan = {
        "plan_id": "p",
        "agent_assignments": {"a": ["s"]},
        "confidence_scores": {"s": 0.95},
        "steps": {"s": step},
        "agents": {"a": {"permissions": ["crm.write", "crm.read"]}},
    }
    return Harness(config).run_sync(plan)


@pytest.mark.parametrize("kind", ["cut-after", "stall-after"])
@pytest.mark.parametrize("name", ["create_contact", "upsert_contact"])
def test_a_write_cut_off_after_its_effect_is_found_by_the_probe_and_not_sent_again(
    service: Service,
    served: tuple[Simulator, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    name: str,
) -> None:
    service.goes_wrong(kind, on="writes", most=1)
    step = {"tool": f"gohighlevel.{name}", "args": {"email": "new@x.example"}}
    done = run(service, served[1], tmp_path, monkeypatch, step)
    journal = (Path(done.folder) / "journal.jsonl").read_text("utf-8")
    assert done.exit_code == 0, done.reason
    assert '"Uncertain"' in journal
    assert [one["email"] for one in service.sim.state()["contacts"]].count("new@x.example") == 1
    again = name == "upsert_contact"  # idempotent by its contract: it may be called again without asking
    assert service.sim.layer.counts.writes == (2 if again else 1)


def test_a_write_cut_off_before_its_effect_is_known_not_to_have_happened(
    service: Service, served: tuple[Simulator, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.goes_wrong("cut-before", on="writes", most=1)
    step = {"tool": "gohighlevel.create_contact", "args": {"email": "new@x.example"}}
    done = run(service, served[1], tmp_path, monkeypatch, step)
    assert [one.get("email") for one in service.sim.state()["contacts"]].count("new@x.example") == 0
    assert service.sim.layer.counts.writes == 1
    assert done.exit_code == 1, "failed, and not unknown"
