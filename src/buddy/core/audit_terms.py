"""What the auditor holds a call against: the run's settings and each tool's contract, boiled down."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from buddy.model.contract import ToolContract
from buddy.model.mode import Mode, Risk, Undo

THRESHOLDS: dict[Risk, tuple[float, float]] = {
    Risk.LOW: (0.50, 0.70),
    Risk.MEDIUM: (0.65, 0.80),
    Risk.HIGH: (0.80, 0.85),
}
"""Confidence that a step needs for DRY_RUN and for LIVE; a confidence equal to it is enough."""


class Settings(Struct, frozen=True, kw_only=True):
    """The part of a run's configuration on which its safety hangs.

    Attributes:
        mode: the highest rung that any step may reach.
        dry_run_only: nothing goes above DRY_RUN.
        approval_required_for_high_risk: HIGH risk asks a person.
        approval_required: `all` asks a person before everything live.
        confidence_threshold_for_live: floor under every LIVE threshold.
        isolate: the plans do not share a world.
        conflicts: conflict type -> what is done about it.
        duplicate_window_s: seconds within which the same action again is a duplicate.
    """

    mode: Mode = Mode.MOCK
    dry_run_only: bool = False
    approval_required_for_high_risk: bool = True
    approval_required: Literal["risky", "all"] = "risky"
    confidence_threshold_for_live: float = 0.75
    isolate: bool = False
    conflicts: dict[str, str] = field(default_factory=dict)
    duplicate_window_s: float = 86_400.0

    @property
    def ceiling(self) -> Mode:
        """The highest rung that any step may reach, all settings taken together."""
        return min(self.mode, Mode.DRY_RUN) if self.dry_run_only else self.mode

    @property
    def duplicates_allowed(self) -> bool:
        """Whether the same action twice is nothing to complain about."""
        return self.conflicts.get("DUPLICATE_ACTION") == "ALLOW"


def settings_of(config: dict[str, Any], mode: Mode, environment_dry_run: bool) -> Settings:
    """Read the settings that a `run_started` event carries.

    Args:
        config: every setting in force; keys that safety does not hang on are passed over.
        mode: of the run; it outranks the one in `config`.
        environment_dry_run: `DRY_RUN=true` was set, which makes every run a MOCK run.

    Raises:
        msgspec.ValidationError: a setting is not of its type.
    """
    read = msgspec.convert(config, Settings)
    return msgspec.structs.replace(read, mode=Mode.MOCK if environment_dry_run else mode)


class Terms(Struct, frozen=True, kw_only=True):
    """What one tool's calls are held against, under one contract, set of handlers and configuration.

    Attributes:
        contract: digest of the contract.
        executable: there is a contract and a live handler; anything else stays at MOCK.
        writes: a live call changes the world.
        repeatable: calling twice is the same as calling once.
        undo: what can be restored.
        dry: confidence needed for DRY_RUN.
        live: confidence needed for LIVE.
        asks: why a person is asked before LIVE, empty where nobody is.
        asks_to_look: a person is asked before DRY_RUN already, since that is the call.
    """

    contract: str = ""
    executable: bool = False
    writes: bool = True
    repeatable: bool = False
    undo: Undo = Undo.NONE
    dry: float = THRESHOLDS[Risk.HIGH][0]
    live: float = THRESHOLDS[Risk.HIGH][1]
    asks: str = "no contract says what it does"
    asks_to_look: bool = False

    def threshold(self, mode: Mode) -> float:
        """Return the confidence that a rung above MOCK needs."""
        return self.live if mode is Mode.LIVE else self.dry


NO_TERMS = Terms()
"""Of a tool that is in no catalogue: the worst is assumed."""


def terms_of(contract: ToolContract, handlers: Iterable[str], settings: Settings) -> Terms:
    """Boil a contract down.

    Args:
        contract: as journaled.
        handlers: which handlers the tool has.
        settings: of the run.
    """
    present = frozenset(handlers)
    dry, live = THRESHOLDS[contract.risk]
    risky = contract.risk is Risk.HIGH and settings.approval_required_for_high_risk
    return Terms(
        contract=contract.digest,
        executable="live" in present,
        writes=contract.writes,
        repeatable=contract.idempotent or not contract.writes,
        undo=contract.undo,
        dry=dry,
        live=max(live, settings.confidence_threshold_for_live),
        asks=_why_asked(contract, risky, "preview" in present, settings),
        asks_to_look=risky and not contract.writes,
    )


def _why_asked(contract: ToolContract, risky: bool, previewed: bool, settings: Settings) -> str:
    reasons = (
        (risky, "its risk is HIGH"),
        (contract.writes and contract.undo is Undo.NONE, "it is a write that cannot be undone"),
        (contract.writes and not previewed, "it is a write without a preview"),
        (settings.approval_required == "all", "everything live needs an approval here"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def fan_out(step: str) -> tuple[str, int] | None:
    """Return the `for_each` step and the position of an item, None for any other step; `a[2]` is `a`, 2."""
    if not step.endswith("]"):
        return None
    parent, bracket, index = step[:-1].rpartition("[")
    if not bracket or not index.isascii() or not index.isdigit():
        return None
    # `a[07]` would be a second name of `a[7]`, and a second use of its approval.
    return (parent, int(index)) if index == str(int(index)) else None
