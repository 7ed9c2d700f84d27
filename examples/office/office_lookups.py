"""What the tools of the office that read return."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from office_store import TABLES, Records, Row

from buddy import InvalidArguments

Text = str | None


def get_event_information_by_id(db: Records, event_id: Text = None, field: Text = None) -> Row:
    """Read one field of an event."""
    key, column = need(event_id=event_id, field=field)
    return one_field(db, "events", key, column)


def search_events(db: Records, query: Text = None, time_min: Text = None, time_max: Text = None) -> list[Row]:
    """Find up to five events by name or participant, and by when they start."""
    where, params = ["(has(event_name, ?) OR has(participant_email, ?))"], [query or "", query or ""]
    for bound, sign, name in ((time_min, ">=", "time_min"), (time_max, "<=", "time_max")):
        if bound:
            where.append(f"datetime(event_start) {sign} ?")
            params.append(moment(name, bound).isoformat(" ", "seconds"))
    return db.rows("events", " AND ".join(where), *params, limit=5)


def get_email_information_by_id(db: Records, email_id: Text = None, field: Text = None) -> Row:
    """Read one field of a mail."""
    key, column = need(email_id=email_id, field=field)
    return one_field(db, "emails", key, column)


def search_emails(db: Records, query: Text = None, date_min: Text = None, date_max: Text = None) -> list[Row]:
    """Find up to five mails that contain every word, the newest first."""
    where, params = ["1"], []
    for word in (query or "").split():
        where.append("has(subject || ' ' || body || ' ' || \"sender/recipient\", ?)")
        params.append(word)
    for bound, sign, name in ((date_min, ">=", "date_min"), (date_max, "<=", "date_max")):
        if bound:
            where.append(f"date(sent_datetime) {sign} ?")
            params.append(moment(name, bound).date().isoformat())
    return db.rows("emails", " AND ".join(where), *params, order="sent_datetime DESC, rowid", limit=5)


def search_customers(
    db: Records,
    customer_name: Text = None,
    customer_email: Text = None,
    product_interest: Text = None,
    status: Text = None,
    assigned_to_email: Text = None,
    last_contact_date_min: Text = None,
    last_contact_date_max: Text = None,
    follow_up_by_min: Text = None,
    follow_up_by_max: Text = None,
) -> list[Row]:
    """Find up to five customers by parts of their fields and by dates."""
    return search(
        db,
        "customers",
        ("has(customer_name, ?)", customer_name),
        ("has(customer_email, ?)", customer_email),
        ("has(product_interest, ?)", product_interest),
        ("has(status, ?)", status),
        ("has(assigned_to_email, ?)", assigned_to_email),
        ("last_contact_date >= ?", last_contact_date_min),
        ("last_contact_date <= ?", last_contact_date_max),
        ("follow_up_by >= ?", follow_up_by_min),
        ("follow_up_by <= ?", follow_up_by_max),
    )


def get_task_information_by_id(db: Records, task_id: Text = None, field: Text = None) -> Row:
    """Read one field of a task."""
    key, column = need(task_id=task_id, field=field)
    return one_field(db, "tasks", key, column)


def search_tasks(
    db: Records,
    task_name: Text = None,
    assigned_to_email: Text = None,
    list_name: Text = None,
    due_date: Text = None,
    board: Text = None,
) -> list[Row]:
    """Find up to five tasks by parts of their fields."""
    return search(
        db,
        "tasks",
        ("has(task_name, ?)", task_name),
        ("has(assigned_to_email, ?)", assigned_to_email),
        ("has(list_name, ?)", list_name),
        ("has(due_date, ?)", due_date),
        ("has(board, ?)", board),
    )


def total_visits_count(db: Records, time_min: Text = None, time_max: Text = None) -> dict[str, float]:
    """Count the visits of each day."""
    return visits(db, "count(*)", time_min, time_max)


def engaged_users_count(db: Records, time_min: Text = None, time_max: Text = None) -> dict[str, float]:
    """Count the visits of each day whose visitor was engaged."""
    return visits(db, "sum(user_engaged = 'True')", time_min, time_max)


def traffic_source_count(
    db: Records, time_min: Text = None, time_max: Text = None, traffic_source: Text = None
) -> dict[str, float]:
    """Count the visits of each day that came from a source."""
    if not traffic_source:
        return visits(db, "count(*)", time_min, time_max)
    return visits(db, "sum(traffic_source = ?)", time_min, time_max, traffic_source)


def get_average_session_duration(
    db: Records, time_min: Text = None, time_max: Text = None
) -> dict[str, float]:
    """Average the seconds that the visits of each day lasted."""
    return visits(db, "avg(session_duration_seconds)", time_min, time_max)


def get_visitor_information_by_id(db: Records, visitor_id: Text = None) -> list[Row]:
    """Read the visits of a visitor."""
    (key,) = need(visitor_id=visitor_id)
    found = db.rows("visits", "visitor_id = ?", key)
    if not found:
        raise InvalidArguments(f"visitor_id: there is no visitor {key!r}")
    return found


def find_email_address(db: Records, name: Text = None) -> list[str]:
    """Find the addresses of colleagues by a part of their name."""
    (part,) = need(name=name)
    return [row["email_address"] for row in db.rows("staff", "has(email_address, ?)", part)]


def need(**given: Text) -> list[str]:
    """The arguments in order; a missing or empty one is refused, all of them named."""
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise InvalidArguments(f"missing: {', '.join(missing)}")
    return [value for value in given.values() if value]


def one_of(allowed: Sequence[str], **given: str) -> None:
    """Refuse a value that is not allowed."""
    for name, value in given.items():
        if value not in allowed:
            raise InvalidArguments(f"{name}: expected one of {', '.join(allowed)}, found {value!r}")


def moment(name: str, text: str) -> datetime:
    """The moment that a bound names."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise InvalidArguments(
            f"{name}: expected YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, found {text!r}"
        ) from error


def record(db: Records, table: str, key: str) -> Row:
    """The row with this id."""
    column = TABLES[table][0]
    found = db.rows(table, f"{column} = ?", key, limit=1)
    if not found:
        raise InvalidArguments(f"{column}: there is no {key!r} in {table}")
    return found[0]


def one_field(db: Records, table: str, key: str, column: str) -> Row:
    """One column of the row with this id."""
    row = record(db, table, key)
    one_of(TABLES[table], field=column)
    return {column: row[column]}


def search(db: Records, table: str, *criteria: tuple[str, Text]) -> list[Row]:
    """Up to five rows that fulfil every criterion given; none given is refused."""
    given = [(condition, value) for condition, value in criteria if value]
    if not given:
        raise InvalidArguments("no criterion given")
    where = " AND ".join(condition for condition, _ in given)
    return db.rows(table, where, *(value for _, value in given), limit=5)


def visits(db: Records, measure: str, low: Text, high: Text, *params: str) -> dict[str, float]:
    """A measure of the visits by day, between two days."""
    where = "date_of_visit >= ? AND date_of_visit <= ?"
    return db.by_day(measure, where, *params, low or "", high or "9999")


Lookup = Callable[..., Any]
READS: dict[str, Lookup] = {
    "calendar.get_event_information_by_id": get_event_information_by_id,
    "calendar.search_events": search_events,
    "email.get_email_information_by_id": get_email_information_by_id,
    "email.search_emails": search_emails,
    "customer_relationship_manager.search_customers": search_customers,
    "project_management.get_task_information_by_id": get_task_information_by_id,
    "project_management.search_tasks": search_tasks,
    "analytics.total_visits_count": total_visits_count,
    "analytics.engaged_users_count": engaged_users_count,
    "analytics.traffic_source_count": traffic_source_count,
    "analytics.get_average_session_duration": get_average_session_duration,
    "analytics.get_visitor_information_by_id": get_visitor_information_by_id,
    "company_directory.find_email_address": find_email_address,
}
