"""The live tools of the office, for `buddy run PLANS --tools examples/office/tools.py`.

`TOOLS` work on one office, the file `$OFFICE_DB`; `world` gives every plan an office of its own, a file in
`$OFFICE_DIR`, for `--isolate`. Both begin with the CSV files of `$OFFICE_DATA`, or with the shipped staff.
"""

import atexit
import inspect
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from office import READS, WRITES, Office, mock
from office_store import Edit, Row

from buddy import Call, CallContext, Change, Preview, Restored, Risk, Tool, tool


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the contract of a write says beside its name and permission."""

    undo: Literal["exact", "equivalent", "none"]
    resources: tuple[str, ...]
    volatile: tuple[str, ...] = ()  # a new row's id depends on what else was created before the approval
    note: str = ""

    @property
    def risk(self) -> Risk:
        """What cannot be undone is the risky part of an office."""
        return Risk.HIGH if self.undo == "none" else Risk.MEDIUM


NEW_ID = "Undone, the record comes back under a new id."
FOR_GOOD = "This cannot be undone."
NEW_MAIL = ("/*/resource", "/*/after/email_id")
PROMISES = {
    "calendar.create_event": Promise(
        undo="exact",
        resources=("calendar:{participant_email}",),
        volatile=("/*/resource", "/*/after/event_id"),
    ),
    "calendar.update_event": Promise(undo="exact", resources=("event:{event_id}",)),
    "calendar.delete_event": Promise(undo="equivalent", resources=("event:{event_id}",), note=NEW_ID),
    "email.send_email": Promise(
        undo="none", resources=("mailbox:{recipient}",), volatile=NEW_MAIL, note=FOR_GOOD
    ),
    "email.forward_email": Promise(
        undo="none", resources=("email:{email_id}", "mailbox:{recipient}"), volatile=NEW_MAIL, note=FOR_GOOD
    ),
    "email.reply_email": Promise(
        undo="none", resources=("email:{email_id}",), volatile=NEW_MAIL, note=FOR_GOOD
    ),
    "email.delete_email": Promise(undo="none", resources=("email:{email_id}",), note=FOR_GOOD),
    "customer_relationship_manager.add_customer": Promise(
        undo="exact",
        resources=("customer-name:{customer_name}",),
        volatile=("/*/resource", "/*/after/customer_id"),
    ),
    "customer_relationship_manager.update_customer": Promise(
        undo="exact", resources=("customer:{customer_id}",)
    ),
    "customer_relationship_manager.delete_customer": Promise(
        undo="equivalent", resources=("customer:{customer_id}",), note=NEW_ID
    ),
    "project_management.create_task": Promise(
        undo="exact", resources=("task-name:{task_name}",), volatile=("/*/resource", "/*/after/task_id")
    ),
    "project_management.update_task": Promise(undo="exact", resources=("task:{task_id}",)),
    "project_management.delete_task": Promise(undo="equivalent", resources=("task:{task_id}",), note=NEW_ID),
    "analytics.create_plot": Promise(
        undo="none", resources=("plot:{time_min}_{time_max}_{value_to_plot}_{plot_type}",), note=FOR_GOOD
    ),
}
READ_RESOURCES = {
    "calendar.get_event_information_by_id": ["event:{event_id}"],
    "email.get_email_information_by_id": ["email:{email_id}"],
    "project_management.get_task_information_by_id": ["task:{task_id}"],
}
KINDS = {"events": "event", "emails": "email", "customers": "customer", "tasks": "task", "plots": "plot"}


def read_tool(office: Office, name: str) -> Tool:
    """Build a tool that reads."""
    contract = tool(
        name=name,
        risk=Risk.LOW,
        effect="read",
        idempotent=True,
        resources=READ_RESOURCES.get(name, []),
        timeout_s=30,
    )
    built = contract(like(READS[name], lambda args, ctx: office.call(name, args)))

    @built.mock
    def _(**args: Any) -> Any:
        return mock(name, args)

    return built


def write_tool(office: Office, name: str) -> Tool:
    """Build a tool that writes."""
    promise = PROMISES[name]
    contract = tool(
        name=name,
        risk=promise.risk,
        effect="write",
        undo=promise.undo,
        permissions={f"{name.split('.')[0]}.write"},
        resources=promise.resources,
        volatile=promise.volatile,
        on_error="no_effect",  # every write is one transaction
        timeout_s=30,
    )
    built = contract(like(WRITES[name], lambda args, ctx: office.call(name, args, ctx.idempotency_key)))

    @built.mock
    def _(**args: Any) -> Any:
        return mock(name, args)

    @built.preview
    def _(**args: Any) -> Preview:
        return preview(office.preview(name, args), promise)

    @built.probe
    def _(call: Call) -> bool:
        return office.happened(call.idempotency_key)

    if promise.undo != "none":

        @built.undo
        def _(call: Call, result: Any) -> Restored:
            verified = office.undo(name, result or None, call.idempotency_key)
            return Restored(verified=verified, exact=promise.undo == "exact")

    return built


def preview(edit: Edit, promise: Promise) -> Preview:
    """Show an edit to a person: whole rows that come or go, of an update the field alone."""
    before, after = edit.before, edit.after
    if before and after:
        before, after = ({edit.field: row[edit.field]} for row in (before, after))
    change = Change(resource=f"{KINDS[edit.table]}:{edit.key}", before=before, after=after)
    return Preview(changes=[change], result=edit.result, notes=[promise.note] if promise.note else [])


def like(rule: Callable[..., Any], run: Callable[[dict[str, Any], CallContext], Any]) -> Callable[..., Any]:
    """A handler with the rule's parameters, but for its first, and with the context of the call.

    The tool's schemas are made from them and from the type of the result, so both are written once.
    """

    def handler(ctx: CallContext, **args: Any) -> Any:
        return run(args, ctx)

    signature = inspect.signature(rule)
    given = list(signature.parameters.values())[1:]
    result = Row if signature.return_annotation is Edit else signature.return_annotation
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=CallContext)
    handler.__signature__ = inspect.Signature([*given, context])  # type: ignore[attr-defined]
    handler.__annotations__ = {p.name: p.annotation for p in (*given, context)} | {"return": result}
    handler.__name__, handler.__doc__ = rule.__name__, rule.__doc__
    return handler


def tools_for(office: Office) -> list[Tool]:
    """Every tool, working in this office."""
    reads = [read_tool(office, name) for name in READS]
    return reads + [write_tool(office, name) for name in WRITES]


def world(plan_id: str) -> list[Tool]:
    """The tools of one plan's own office.

    An office that exists is opened as it is, so that a run that was interrupted goes on in it.
    """
    folder = Path(os.environ.get("OFFICE_DIR") or scratch())
    name = re.sub(r"[^A-Za-z0-9._-]", "_", plan_id)
    return tools_for(Office(folder / f"{name}.sqlite", data()))


def data() -> Path | None:
    """The folder of CSV files that offices are made from, None for the shipped staff."""
    folder = os.environ.get("OFFICE_DATA")
    return Path(folder) if folder else None


@cache
def scratch() -> str:
    """A folder for the offices of this process."""
    folder = tempfile.mkdtemp(prefix="buddy-office-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


TOOLS = tools_for(Office(Path(os.environ.get("OFFICE_DB") or "office.sqlite"), data()))
