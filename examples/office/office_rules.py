"""What each tool of the office that writes would change; the rules only read, so a preview is the same code.

Every argument may be left out in form; a missing one that is needed, an unknown id or a value that is not
allowed raises `InvalidArguments` and changes nothing.
"""

from collections.abc import Callable

from office_lookups import Text, need, one_of, record
from office_store import TABLES, Edit, Records

from buddy import InvalidArguments

CLOCK = "2023-11-30 00:00:00"  # the office's clock stands
STATUSES = ("Qualified", "Won", "Lost", "Lead", "Proposal")
INTERESTS = ("Software", "Hardware", "Services", "Consulting", "Training")
LISTS = ("Backlog", "In Progress", "In Review", "Completed")
BOARDS = ("Back end", "Front end", "Design")
VISITS = ("visits_direct", "visits_referral", "visits_search_engine", "visits_social_media")
PLOT_VALUES = ("total_visits", "session_duration_seconds", "user_engaged", *VISITS)
PLOT_TYPES = ("bar", "line", "scatter", "histogram")


def create_event(
    db: Records,
    event_name: Text = None,
    participant_email: Text = None,
    event_start: Text = None,
    duration: Text = None,
) -> Edit:
    """Add an event to the calendar."""
    name, email, start, minutes = need(
        event_name=event_name, participant_email=participant_email, event_start=event_start, duration=duration
    )
    return created(db, "events", name, email.lower(), start, minutes)


def update_event(db: Records, event_id: Text = None, field: Text = None, new_value: Text = None) -> Edit:
    """Change one field of an event."""
    key, column, value = need(event_id=event_id, field=field, new_value=new_value)
    return updated(db, "events", key, column, value)


def delete_event(db: Records, event_id: Text = None) -> Edit:
    """Remove an event from the calendar."""
    (key,) = need(event_id=event_id)
    return Edit(table="events", before=record(db, "events", key))


def send_email(db: Records, recipient: Text = None, subject: Text = None, body: Text = None) -> Edit:
    """Send a mail."""
    address, title, text = need(recipient=recipient, subject=subject, body=body)
    return sent(db, address, title, text)


def forward_email(db: Records, email_id: Text = None, recipient: Text = None) -> Edit:
    """Send a mail on to somebody else."""
    key, address = need(email_id=email_id, recipient=recipient)
    mail = record(db, "emails", key)
    return sent(db, address, f"FW: {mail['subject']}", mail["body"])


def reply_email(db: Records, email_id: Text = None, body: Text = None) -> Edit:
    """Answer a mail."""
    key, text = need(email_id=email_id, body=body)
    mail = record(db, "emails", key)
    return sent(db, mail["sender/recipient"], mail["subject"], text)


def delete_email(db: Records, email_id: Text = None) -> Edit:
    """Delete a mail for good."""
    (key,) = need(email_id=email_id)
    return Edit(table="emails", before=record(db, "emails", key))


def add_customer(
    db: Records,
    customer_name: Text = None,
    assigned_to_email: Text = None,
    status: Text = None,
    customer_email: Text = None,
    customer_phone: Text = None,
    last_contact_date: Text = None,
    product_interest: Text = None,
    notes: Text = None,
    follow_up_by: Text = None,
) -> Edit:
    """Add a customer; any status is taken here, unlike in an update."""
    name, owner, stage = need(customer_name=customer_name, assigned_to_email=assigned_to_email, status=status)
    rest = [last_contact_date, product_interest, stage, follow_up_by, notes]
    email = (customer_email or "").lower()
    return created(
        db, "customers", owner.lower(), name, email, customer_phone or "", *(text or "" for text in rest)
    )


def update_customer(
    db: Records, customer_id: Text = None, field: Text = None, new_value: Text = None
) -> Edit:
    """Change one field of a customer."""
    key, column, value = need(customer_id=customer_id, field=field, new_value=new_value)
    if column == "status":
        one_of(STATUSES, status=value)
    if column == "product_interest":
        one_of(INTERESTS, product_interest=value)
    return updated(db, "customers", key, column, value)


def delete_customer(db: Records, customer_id: Text = None) -> Edit:
    """Remove a customer."""
    (key,) = need(customer_id=customer_id)
    return Edit(table="customers", before=record(db, "customers", key))


def create_task(
    db: Records,
    task_name: Text = None,
    assigned_to_email: Text = None,
    list_name: Text = None,
    due_date: Text = None,
    board: Text = None,
) -> Edit:
    """Add a task to a board."""
    name, owner, column, due, side = need(
        task_name=task_name,
        assigned_to_email=assigned_to_email,
        list_name=list_name,
        due_date=due_date,
        board=board,
    )
    check_task(db, assigned_to_email=owner.lower(), list_name=column, board=side)
    return created(db, "tasks", name, owner.lower(), column, due, side)


def update_task(db: Records, task_id: Text = None, field: Text = None, new_value: Text = None) -> Edit:
    """Change one field of a task."""
    key, column, value = need(task_id=task_id, field=field, new_value=new_value)
    edit = updated(db, "tasks", key, column, value)
    check_task(db, **{column: value.lower() if column == "assigned_to_email" else value})
    return edit


def delete_task(db: Records, task_id: Text = None) -> Edit:
    """Remove a task."""
    (key,) = need(task_id=task_id)
    return Edit(table="tasks", before=record(db, "tasks", key))


def create_plot(
    db: Records,
    time_min: Text = None,
    time_max: Text = None,
    value_to_plot: Text = None,
    plot_type: Text = None,
) -> Edit:
    """Draw a plot of the site's visits into a file."""
    low, high, value, kind = need(
        time_min=time_min, time_max=time_max, value_to_plot=value_to_plot, plot_type=plot_type
    )
    one_of(PLOT_VALUES, value_to_plot=value)
    one_of(PLOT_TYPES, plot_type=kind)
    return Edit(table="plots", after={"file_path": f"plots/{low}_{high}_{value}_{kind}.png"})


def created(db: Records, table: str, *values: str) -> Edit:
    """A new row under the next id, eight digits."""
    names = TABLES[table]
    return Edit(table=table, after=dict(zip(names, [db.next_id(table).zfill(8), *values], strict=True)))


def updated(db: Records, table: str, key: str, column: str, value: str) -> Edit:
    """A row with one column set; the columns with addresses hold them in lower case."""
    row = record(db, table, key)
    one_of(TABLES[table][1:], field=column)
    text = value.lower() if column.endswith("_email") else value
    return Edit(table=table, before=row, after={**row, column: text}, field=column)


def sent(db: Records, recipient: str, subject: str, body: str) -> Edit:
    """A mail in the outbox, under the next id, which is not padded."""
    if "@" not in recipient or "." not in recipient:
        raise InvalidArguments(f"recipient: expected a mail address, found {recipient!r}")
    values = (db.next_id("emails"), "outbox", recipient.lower(), subject, CLOCK, body)
    return Edit(table="emails", after=dict(zip(TABLES["emails"], values, strict=True)))


def check_task(db: Records, **values: str) -> None:
    """Refuse a list or board that there is not, and an assignee who has no task yet."""
    one_of(LISTS, list_name=values.get("list_name", LISTS[0]))
    one_of(BOARDS, board=values.get("board", BOARDS[0]))
    owner = values.get("assigned_to_email")
    if owner and not db.rows("tasks", "folded(assigned_to_email) = ?", owner, limit=1):
        raise InvalidArguments(f"assigned_to_email: {owner!r} is nobody of the team")


Rule = Callable[..., Edit]
WRITES: dict[str, Rule] = {
    "calendar.create_event": create_event,
    "calendar.update_event": update_event,
    "calendar.delete_event": delete_event,
    "email.send_email": send_email,
    "email.forward_email": forward_email,
    "email.reply_email": reply_email,
    "email.delete_email": delete_email,
    "customer_relationship_manager.add_customer": add_customer,
    "customer_relationship_manager.update_customer": update_customer,
    "customer_relationship_manager.delete_customer": delete_customer,
    "project_management.create_task": create_task,
    "project_management.update_task": update_task,
    "project_management.delete_task": delete_task,
    "analytics.create_plot": create_plot,
}
