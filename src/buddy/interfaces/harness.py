"""The Python interface: run plans, or make calls one at a time."""

import getpass
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from buddy import wiring
from buddy.core.lone_calls import lone_call_problems
from buddy.errors import BadInput
from buddy.model.config import ExecutionConfig
from buddy.model.outcome import CallResult
from buddy.model.plan import Step
from buddy.ports import Interaction


class HarnessRun:
    """A run that has ended.

    Attributes:
        run_id: its name.
        folder: where its journal and outputs are.
        exit_code: 0 all went as far as it should, 1 some did not, 3 some are held, 4 somebody must look.
        reason: one sentence.
        summary: content of `orchestration_summary.json`.
    """

    def __init__(self, result: wiring.RunResult) -> None:
        self.run_id = result.run_id
        self.folder = Path(result.folder)
        self.exit_code = result.exit_code
        self.reason = result.reason
        self.summary = result.summary

    def health(self) -> dict[str, Any]:
        """Return the content of `system_health.json`."""
        found: dict[str, Any] = msgspec.json.decode((self.folder / "system_health.json").read_bytes())
        return found

    def anomalies(self) -> list[dict[str, Any]]:
        """Return what a person should look at."""
        found: list[dict[str, Any]] = self.health()["anomalies"]
        return found

    def signals(self) -> list[dict[str, Any]]:
        """Return the learning signals."""
        lines = (self.folder / "learning_signals.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in lines]


class Harness:
    """Runs plans and calls under control.

    ```python
    harness = Harness(ExecutionConfig(mode=Mode.LIVE), tools=[create_contact])
    run = await harness.run(plan)
    result = await harness.call("agent1", "create_contact", {"email": "a@b.c"}, confidence=0.9)
    ```

    Args:
        config: settings; the defaults only rehearse in MOCK.
        tools: `Tool` objects, or paths of catalogue and Python files.
        approval_callback: the phase-13 callback `(tool_name, confidence) -> bool`; an exception or anything
            but True denies.
        interaction: who else is asked and told.
        granted_by: the person who starts the runs; the OS user where it is left out.
    """

    def __init__(
        self,
        config: ExecutionConfig | None = None,
        tools: Iterable[Any] = (),
        *,
        approval_callback: Callable[[str, float], Any] | None = None,
        interaction: Interaction | None = None,
        granted_by: str | None = None,
    ) -> None:
        self.config = config or ExecutionConfig()
        given = list(tools)
        files = [str(one) for one in given if isinstance(one, str | Path)]
        self._loaded = wiring.tools(
            files, self.config, [one for one in given if not isinstance(one, str | Path)]
        )
        self._callback = approval_callback
        self._interaction = interaction
        self._granted_by = granted_by or getpass.getuser()
        self._calls: wiring.OpenCalls | None = None

    async def run(self, plans: Any) -> HarnessRun:
        """Run a plan, or a list of them: dicts as in plan files, `PlanDocument` or `Plan` records.

        Raises:
            BadInput: with every problem; nothing ran.
        """
        if self.config.clock == "virtual":
            raise BadInput("clock: expected 'real' inside an event loop, found 'virtual'; use run_sync")
        source, inputs = wiring.plan_objects(_listed(plans))
        return HarnessRun(await self._session().begin(source, inputs, self._granted_by))

    def run_sync(self, plans: Any) -> HarnessRun:
        """Run plans from code that is not async."""
        source, inputs = wiring.plan_objects(_listed(plans))
        return HarnessRun(self._session().start(source, inputs, self._granted_by))

    async def call(
        self,
        agent: str,
        tool: str,
        args: dict[str, Any] | None = None,
        *,
        confidence: float | None = None,
        call_id: str | None = None,
        repeat: bool = False,
    ) -> CallResult:
        """Make one call, as far as the gate lets it.

        Args:
            agent: who acts.
            tool: name of the tool.
            args: its arguments.
            confidence: how sure the agent is that this is right; None counts as 0.
            call_id: names the call; the same id again continues it, and never makes it twice.
            repeat: the same action again is meant.

        Raises:
            BadInput: the arguments are no JSON, the confidence is out of range, a name is none, or the id was
                used for another call.
        """
        problems = list(lone_call_problems(agent, tool, call_id, confidence))
        if problems:
            raise BadInput(problems)
        if self._calls is None or self._calls.is_closed:
            self._calls = await self._session().open_calls(self._granted_by)
        if self._calls.is_closing:
            raise BadInput("this harness is being closed; make the call when that is done")
        name = _plain(call_id) if call_id else self._calls.new_id()
        step = Step(
            step_id=name,
            tool=_plain(tool),
            agent=_plain(agent),
            args=wiring.json_object(args or {}, f"call {name}"),
            # 1, or a number of another kind, would be told otherwise.
            confidence=None if confidence is None else float(confidence),
            repeat=repeat,
        )
        return await self._calls.desk.call(step)

    async def close(self) -> None:
        """End the run of calls, if there is one; writes its outputs."""
        if self._calls is not None and not self._calls.is_closed:
            # Where somebody gives up waiting it goes on, and may be waited for again.
            await self._calls.close()

    async def __aenter__(self) -> "Harness":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _session(self) -> wiring.Session:
        return wiring.Session(self.config, self._loaded, self._interaction or wiring.Quiet(), self._callback)


def _listed(plans: Any) -> Sequence[Any]:
    return plans if isinstance(plans, list | tuple) else [plans]


def _plain(text: str) -> str:
    """Return a text as the journal holds it, also where it is a member of an enum or of another subclass."""
    return str.__str__(text)
