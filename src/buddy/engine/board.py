"""What the plans of a run share: agents' slots, steps that wait for other plans, and for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from buddy.core.findings import Findings, Place
from buddy.engine.limits import Slots
from buddy.engine.run import Run
from buddy.model.approval import ApprovalState

if TYPE_CHECKING:
    from buddy.engine.scheduler import PlanDriver

APPROVAL_POLL_S = 0.03


class Board:
    """What the plans of a run share: agents' slots, and steps that wait for steps of other plans."""

    def __init__(self, run: Run, findings: Findings, *, waits: bool) -> None:
        self.run = run
        self.findings = findings
        self.waits = waits
        self.parked: dict[tuple[int, int], tuple[PlanDriver, str]] = {}
        self.settled = 0
        self.total = 0
        self._agents: dict[str, Slots] = {}
        self._open: dict[int, PlanDriver] = {}
        self._waiting: dict[Place, list[Callable[[], None]]] = {}
        self._poller: asyncio.Task[None] | None = None
        self.awaited: dict[int, list[int]] = {}
        for (ordinal, _), befores in findings.edges.items():
            for other, place in befores:
                if other != ordinal:
                    self.awaited.setdefault(other, []).append(place)
        run.on_stop = self._wake_all

    def _wake_all(self) -> None:
        for driver in self._open.values():
            driver.wake()

    def agent(self, name: str, capacity: int) -> Slots:
        """Return the slots of an agent."""
        slots = self._agents.get(name)
        if slots is None:
            slots = self._agents[name] = Slots(capacity)
        return slots

    def enter(self, driver: PlanDriver) -> None:
        """Note that a plan is under way."""
        self._open[driver.plan.ordinal] = driver

    def leave(self, driver: PlanDriver) -> None:
        """Note that a plan is over; whoever waits for one of its steps goes on."""
        del self._open[driver.plan.ordinal]
        for key in [key for key in self.parked if key[0] == driver.plan.ordinal]:
            del self.parked[key]
        for place in [place for place in self._waiting if place[0] == driver.plan.ordinal]:
            self.passed(place)

    def wait_for(self, place: Place, then: Callable[[], None]) -> bool:
        """Call `then` when a step of another plan has settled; returns False where it has already."""
        driver = self._open.get(place[0])
        if driver is None or driver.is_settled(place[1]):
            return False
        self._waiting.setdefault(place, []).append(then)
        return True

    def passed(self, place: Place) -> None:
        """Let go on what waits for a step."""
        for then in self._waiting.pop(place, ()):
            then()

    def park(self, driver: PlanDriver, place: int, approval: str) -> None:
        """Wait for a person without keeping anything."""
        self.parked[driver.plan.ordinal, place] = (driver, approval)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def _poll(self) -> None:
        version = -1
        turns = 0
        while self.parked:
            turns += 1
            try:
                seen = self.run.home.approvals_version()
                if seen != version or turns % 32 == 0:
                    version = seen
                    self._wake()
            except Exception as failure:  # noqa: BLE001 - whoever waits has to hear of it
                self.run.stop(failure)
                for driver, _ in self.parked.values():
                    driver.wake()
                self.parked.clear()
                return
            await self.run.clock.sleep(APPROVAL_POLL_S)

    def _wake(self) -> None:
        now = self.run.clock.now()
        for key, (driver, approval_id) in list(self.parked.items()):
            approval = self.run.home.approval(approval_id, now)
            if approval is None or approval.state is not ApprovalState.PENDING:
                del self.parked[key]
                driver.unpark(key[1])

    def progress(self) -> None:
        """Tell how far the run is."""
        self.settled += 1
        self.run.interaction.progress(self.settled, self.total)
