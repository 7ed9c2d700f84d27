"""Replays office calls on plain lists of rows, to check the example's own office against.

It imports nothing of the project, so that a mistake made there cannot hide here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Row = dict[str, str]
State = dict[str, list[Row]]
Args = dict[str, str]
Tool = Callable[[State, Args], Any]

CLOCK = "2023-11-30 00:00:00"
FILES = {
    "events": "calendar_events",
    "emails": "emails",
    "customers": "customer_relationship_manager_data",
    "tasks": "project_tasks",
    "visits": "analytics_data",
}
ID = {"events": "event_id", "emails": "email_id", "customers": "customer_id", "tasks": "task_id"}
CUSTOMER_ENUMS = {
    "status": ("Qualified", "Won", "Lost", "Lead", "Proposal"),
    "product_interest": ("Software", "Hardware", "Services", "Consulting", "Training"),
}
LISTS = ("Backlog", "In Progress", "In Review", "Completed")
BOARDS = ("Back end", "Front end", "Design")
VISITS = ("visits_direct", "visits_referral", "visits_search_engine", "visits_social_media")
PLOT_VALUES = ("total_visits", "session_duration_seconds", "user_engaged", *VISITS)
PLOT_TYPES = ("bar", "line", "scatter", "histogram")
EXACT = {"status", "list_name", "board"}
# The recordings judge an answer by its words: some refusals read well, a search that found nothing does not.
READS_LIKE_AN_ANSWER = {"ok", "value", "incomplete", "criteria"}


class Refused(Exception):
    """A call that changed nothing.

    `kind` is unknown (no such tool or argument), missing (an argument), incomplete (a task), criteria (none
    to search by), address (no mail address), absent (no such record), date (cannot be read), value (not an
    allowed one), or empty (a search that found nothing, which the recordings call a failure).
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def load(folder: Path) -> State:
    """The state that a folder of CSV files holds; `plots` is made empty, `addresses` has one column."""
    state: State = {}
    for name, stem in FILES.items():
        with (folder / f"{stem}.csv").open(newline="", encoding="utf-8") as file:
            state[name] = list(csv.DictReader(file))
    lines = (folder / "email_addresses.csv").read_text(encoding="utf-8").split()
    state["addresses"] = [{"email_address": line} for line in lines]
    state["plots"] = []
    return state


def fresh(state: State) -> State:
    """A copy that may be changed; rows are shared, for they are replaced and never written to."""
    return {name: list(rows) for name, rows in state.items()}


def need(args: Args, *names: str) -> list[str]:
    if not all(args[name] for name in names):
        raise Refused("missing")
    return [args[name] for name in names]


def one_of(value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise Refused("value")


def has(text: str, part: str) -> bool:
    return part.lower() in text.lower()


def moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise Refused("date") from None


def within(when: Any, low: Any, high: Any) -> bool:
    return (not low or when >= low) and (not high or when <= high)


def matching(rows: list[Row], args: Args, *columns: str) -> list[Row]:
    return [row for row in rows if all(has(row[column], args[column]) for column in columns)]


def find(state: State, table: str, id_: str) -> Row:
    for row in state[table]:
        if row[ID[table]] == id_:
            return row
    raise Refused("absent")


def add(state: State, table: str, row: Row, pad: int = 8) -> None:
    highest = max((int(row[ID[table]]) for row in state[table]), default=0)
    state[table].append({ID[table]: str(highest + 1).zfill(pad), **row})


def change(state: State, table: str, id_: str, field: str, value: str) -> None:
    row = find(state, table, id_)
    if field not in row or field == ID[table]:
        raise Refused("value")
    state[table][state[table].index(row)] = {**row, field: value}


def field_of(table: str) -> Tool:
    """The tool that reads one field of a record."""

    def read(s: State, a: Args) -> Any:
        id_, field = need(a, ID[table], "field")
        row = find(s, table, id_)
        if field not in row:
            raise Refused("absent")
        return {field: row[field]}

    return read


def remove_from(table: str) -> Tool:
    """The tool that deletes a record."""

    def remove(s: State, a: Args) -> Any:
        (id_,) = need(a, ID[table])
        s[table].remove(find(s, table, id_))

    return remove


def search_events(s: State, a: Args) -> Any:
    low, high = (moment(a[bound]) if a[bound] else None for bound in ("time_min", "time_max"))
    found = []
    for row in s["events"]:
        start = moment(row["event_start"]) if low or high else None
        named = has(row["event_name"], a["query"]) or has(row["participant_email"], a["query"])
        if named and within(start, low, high):
            found.append(row)
    if not found:
        raise Refused("empty")
    return found[:5]


def create_event(s: State, a: Args) -> Any:
    name, email, start, duration = need(a, "event_name", "participant_email", "event_start", "duration")
    row = {"event_name": name, "participant_email": email.lower(), "event_start": start, "duration": duration}
    add(s, "events", row)


def update_event(s: State, a: Args) -> Any:
    id_, field, value = need(a, "event_id", "field", "new_value")
    change(s, "events", id_, field, value.lower() if field == "participant_email" else value)


def search_emails(s: State, a: Args) -> Any:
    low, high = (moment(a[bound]).date() if a[bound] else None for bound in ("date_min", "date_max"))
    found = []
    for row in s["emails"]:
        text = f"{row['subject']} {row['body']} {row['sender/recipient']}".lower()
        day = moment(row["sent_datetime"]).date()
        if all(word in text for word in a["query"].lower().split()) and within(day, low, high):
            found.append(row)
    if not found:
        raise Refused("empty")
    return sorted(found, key=lambda row: row["sent_datetime"], reverse=True)[:5]


def send(s: State, recipient: str, subject: str, body: str) -> None:
    if "@" not in recipient or "." not in recipient:
        raise Refused("address")
    row = {"inbox/outbox": "outbox", "sender/recipient": recipient.lower(), "subject": subject}
    add(s, "emails", {**row, "sent_datetime": CLOCK, "body": body}, pad=0)


def send_email(s: State, a: Args) -> Any:
    send(s, *need(a, "recipient", "subject", "body"))


def forward_email(s: State, a: Args) -> Any:
    id_, recipient = need(a, "email_id", "recipient")
    row = find(s, "emails", id_)
    send(s, recipient, f"FW: {row['subject']}", row["body"])


def reply_email(s: State, a: Args) -> Any:
    id_, body = need(a, "email_id", "body")
    row = find(s, "emails", id_)
    send(s, row["sender/recipient"], row["subject"], body)


def search_customers(s: State, a: Args) -> Any:
    if not any(a.values()):
        raise Refused("criteria")
    return [
        row
        for row in matching(s["customers"], a, *CUSTOMER_TEXTS.split())
        if within(row["last_contact_date"], a["last_contact_date_min"], a["last_contact_date_max"])
        and within(row["follow_up_by"], a["follow_up_by_min"], a["follow_up_by_max"])
    ][:5]


def add_customer(s: State, a: Args) -> Any:
    need(a, "customer_name", "assigned_to_email", "status")
    emails = ("assigned_to_email", "customer_email")
    add(s, "customers", {key: text.lower() if key in emails else text for key, text in a.items()})


def update_customer(s: State, a: Args) -> Any:
    id_, field, value = need(a, "customer_id", "field", "new_value")
    find(s, "customers", id_)
    if field in CUSTOMER_ENUMS:
        one_of(value, CUSTOMER_ENUMS[field])
    change(s, "customers", id_, field, value.lower() if field.endswith("_email") else value)


def search_tasks(s: State, a: Args) -> Any:
    if not any(a.values()):
        raise Refused("criteria")
    return matching(s["tasks"], a, *a)[:5]


def check_task(s: State, field: str, value: str) -> None:
    if field == "assigned_to_email":
        one_of(value, {row["assigned_to_email"].lower() for row in s["tasks"]})
    elif field in ("list_name", "board"):
        one_of(value, LISTS if field == "list_name" else BOARDS)


def create_task(s: State, a: Args) -> Any:
    if not all(a.values()):
        raise Refused("incomplete")
    row = {**a, "assigned_to_email": a["assigned_to_email"].lower()}
    for field, value in row.items():
        check_task(s, field, value)
    add(s, "tasks", row)


def update_task(s: State, a: Args) -> Any:
    id_, field, value = need(a, "task_id", "field", "new_value")
    value = value.lower() if field == "assigned_to_email" else value
    find(s, "tasks", id_)
    check_task(s, field, value)
    change(s, "tasks", id_, field, value)


def create_plot(s: State, a: Args) -> Any:
    time_min, time_max, value, kind = need(a, "time_min", "time_max", "value_to_plot", "plot_type")
    one_of(value, PLOT_VALUES)
    one_of(kind, PLOT_TYPES)
    s["plots"].append({"file_path": f"plots/{time_min}_{time_max}_{value}_{kind}.png"})


def by_day(measure: Callable[[list[Row], Args], float]) -> Tool:
    """The tool that gives one number for each day that has visits in it."""

    def read(s: State, a: Args) -> Any:
        days: dict[str, list[Row]] = {}
        for row in s["visits"]:
            if within(row["date_of_visit"], a["time_min"], a["time_max"]):
                days.setdefault(row["date_of_visit"], []).append(row)
        return {day: measure(days[day], a) for day in sorted(days)}

    return read


def from_source(rows: list[Row], a: Args) -> float:
    return sum(not a["traffic_source"] or row["traffic_source"] == a["traffic_source"] for row in rows)


def visitor(s: State, a: Args) -> Any:
    (id_,) = need(a, "visitor_id")
    found = [row for row in s["visits"] if row["visitor_id"] == id_]
    if not found:
        raise Refused("absent")
    return found


def find_address(s: State, a: Args) -> Any:
    (name,) = need(a, "name")
    return [row["email_address"] for row in s["addresses"] if has(row["email_address"], name)]


def count(rows: list[Row], a: Args) -> float:
    return len(rows)


def engaged(rows: list[Row], a: Args) -> float:
    return sum(row["user_engaged"] == "True" for row in rows)


def mean_duration(rows: list[Row], a: Args) -> float:
    return sum(int(row["session_duration_seconds"]) for row in rows) / len(rows)


CRM = "customer_relationship_manager"
CUSTOMER_TEXTS = "customer_name customer_email product_interest status assigned_to_email"
CUSTOMER_BOUNDS = "last_contact_date_min last_contact_date_max follow_up_by_min follow_up_by_max"
CUSTOMER = f"{CUSTOMER_TEXTS} customer_phone last_contact_date follow_up_by notes"
TASK = "task_name assigned_to_email list_name due_date board"
BOUNDS = "time_min time_max"
TOOLS: dict[str, tuple[Tool, str]] = {  # name -> (tool, the arguments that it takes)
    "calendar.get_event_information_by_id": (field_of("events"), "event_id field"),
    "calendar.search_events": (search_events, f"query {BOUNDS}"),
    "calendar.create_event": (create_event, "event_name participant_email event_start duration"),
    "calendar.delete_event": (remove_from("events"), "event_id"),
    "calendar.update_event": (update_event, "event_id field new_value"),
    "email.get_email_information_by_id": (field_of("emails"), "email_id field"),
    "email.search_emails": (search_emails, "query date_min date_max"),
    "email.send_email": (send_email, "recipient subject body"),
    "email.forward_email": (forward_email, "email_id recipient"),
    "email.reply_email": (reply_email, "email_id body"),
    "email.delete_email": (remove_from("emails"), "email_id"),
    f"{CRM}.search_customers": (search_customers, f"{CUSTOMER_TEXTS} {CUSTOMER_BOUNDS}"),
    f"{CRM}.add_customer": (add_customer, CUSTOMER),
    f"{CRM}.update_customer": (update_customer, "customer_id field new_value"),
    f"{CRM}.delete_customer": (remove_from("customers"), "customer_id"),
    "project_management.get_task_information_by_id": (field_of("tasks"), "task_id field"),
    "project_management.search_tasks": (search_tasks, TASK),
    "project_management.create_task": (create_task, TASK),
    "project_management.update_task": (update_task, "task_id field new_value"),
    "project_management.delete_task": (remove_from("tasks"), "task_id"),
    "analytics.create_plot": (create_plot, f"{BOUNDS} value_to_plot plot_type"),
    "analytics.total_visits_count": (by_day(count), BOUNDS),
    "analytics.engaged_users_count": (by_day(engaged), BOUNDS),
    "analytics.traffic_source_count": (by_day(from_source), f"{BOUNDS} traffic_source"),
    "analytics.get_average_session_duration": (by_day(mean_duration), BOUNDS),
    "analytics.get_visitor_information_by_id": (visitor, "visitor_id"),
    "company_directory.find_email_address": (find_address, "name"),
}


# --- replaying and judging --------------------------------------------------------------------------


def calls_of(plan: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The calls of a plan or a recorded run, in execution order."""
    for step_id in plan["execution_order"]:
        step = plan.get("steps", {}).get(step_id, {})
        yield step.get("tool", step_id), step.get("args", {})


def call(state: State, tool: str | None, args: dict[str, Any]) -> Any:
    """The result of one call, applied to `state`; raises `Refused` where it changes nothing."""
    function, names = TOOLS.get(tool or "", (None, ""))
    if function is None or not set(args) <= set(names.split()):
        raise Refused("unknown")
    return function(state, {name: args.get(name) or "" for name in names.split()})


def replay(state: State, calls: Iterable[tuple[str | None, dict[str, Any]]]) -> list[str]:
    """Applies the calls in order; per call "ok" or the kind of its refusal."""
    kinds = []
    for tool, args in calls:
        try:
            call(state, tool, args)
            kinds.append("ok")
        except Refused as refusal:
            kinds.append(refusal.kind)
    return kinds


def same(one: State, other: State) -> bool:
    """Whether two states are equal: text in any case, a few columns exactly, rows in any order."""
    for name in ("events", "emails", "customers", "tasks", "plots"):
        shared = {id(row) for row in one[name]} & {id(row) for row in other[name]}  # never folded: speed
        left, right = (
            sorted(sorted(folded(row).items()) for row in state[name] if id(row) not in shared)
            for state in (one, other)
        )
        if left != right:
            return False
    return True


def folded(row: Row) -> Row:
    """A row as it is compared."""
    return {column: text if column in EXACT else text.lower() for column, text in row.items()}


def judge(start: State, plan: State, run: State, error: bool) -> tuple[bool, bool]:
    """(correct, harmful) of the state after a run against the state after its plan.

    A call of an unknown tool, or with unknown arguments, changes nothing and does not count by itself: all
    14 recordings that made one, had no error and ended in the right state are labelled correct.
    """
    right = same(run, plan)
    return right and not error, not right and not same(run, start)
