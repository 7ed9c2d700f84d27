"""What a tool promises: its contract."""

import hashlib
from functools import cached_property
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from buddy.model.mode import Effect, OnError, Risk, Undo

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds = Annotated[float, Meta(gt=0, le=86_400 * 7)]


class Rate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `calls` calls within any `seconds` seconds."""

    calls: Annotated[int, Meta(ge=1)]
    seconds: Seconds


class ToolContract(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True, omit_defaults=True
):
    """The promises of one tool, from a catalogue or a decorator; the safest value is the default.

    Attributes:
        name: unique in a catalogue.
        summary: one line for people.
        risk: how much harm a wrong call can do.
        effect: whether it reads or writes.
        undo: what can be restored after a live write.
        idempotent: calling twice is the same as calling once.
        on_error: what an error other than `ToolError` from a live write means.
        permissions: what an agent must hold to call it.
        resources: templates of what a call touches, filled from its arguments, `contact:{email}`.
        depends_on: tools that must have run before it, when they are in the same plan.
        timeout_s: seconds that one call may take.
        max_concurrency: calls at once, across agents; None is no limit.
        rate: calls in a window of seconds; None is no limit.
        secret_args: arguments that must be given as `{"$secret": ...}`.
        volatile: JSON pointers into a preview's changes that may differ between preview and execution
            without voiding an approval; `*` stands for one segment.
        input: JSON Schema of the arguments.
        output: JSON Schema of the result.
        example: a result for MOCK.
        version: changes when the meaning of the tool does.
    """

    name: Name
    summary: str = ""
    risk: Risk = Risk.HIGH
    effect: Effect = Effect.WRITE
    undo: Undo = Undo.NONE
    idempotent: bool = False
    on_error: OnError = OnError.UNKNOWN
    permissions: tuple[Name, ...] = ()
    resources: tuple[Name, ...] = ()
    depends_on: tuple[Name, ...] = ()
    timeout_s: Seconds = 30.0
    max_concurrency: Annotated[int, Meta(ge=1)] | None = None
    rate: Rate | None = None
    secret_args: tuple[Name, ...] = ()
    volatile: tuple[str, ...] = ()
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    example: Any = msgspec.UNSET
    version: str = "1"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole contract in canonical JSON; another digest is another contract."""
        plain = msgspec.to_builtins(self)
        return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()

    @cached_property
    def writes(self) -> bool:
        """Whether a live call changes the world."""
        return self.effect is Effect.WRITE

    @cached_property
    def irreversible(self) -> bool:
        """Whether a live call can never be undone."""
        return self.writes and self.undo is Undo.NONE

    @cached_property
    def repeatable(self) -> bool:
        """Whether a call may be made again without knowing how the last one ended."""
        return self.idempotent or not self.writes
