"""Calls to try on the office of the shipped staff: every tool, every refusal."""

from typing import Any

CAL, POST, WEB = "calendar", "email", "analytics"
CRM, PM = "customer_relationship_manager", "project_management"
DOMAIN = "fernandoak.example"
EVENT = {
    "event_name": "Tea",
    "participant_email": "Ines@X.example",
    "event_start": "2023-12-02",
    "duration": "15",
}
TASK = {
    "task_name": "Count trays",
    "assigned_to_email": f"Owen.Pritchard@{DOMAIN}",
    "list_name": "Backlog",
    "due_date": "2023-12-09",
    "board": "Back end",
}
CUSTOMER = {"customer_name": "Ada", "assigned_to_email": "Hugo@X.example", "status": "Lead", "notes": "New."}
MAIL = {"recipient": "Ada@X.example", "subject": "Hello", "body": "There"}
PLOT = {
    "time_min": "2023-11-20",
    "time_max": "2023-11-29",
    "value_to_plot": "total_visits",
    "plot_type": "bar",
}

# Tool, arguments, (table, columns of the row before, columns of the row after).
WRITES: list[tuple[str, dict[str, str], Any]] = [
    (
        f"{CAL}.create_event",
        EVENT,
        ("events", None, {"event_id": "00000016", "participant_email": "ines@x.example"}),
    ),
    (
        f"{CAL}.update_event",
        {"event_id": "00000001", "field": "participant_email", "new_value": "Yara@X.example"},
        (
            "events",
            {"participant_email": f"tobias.lindqvist@{DOMAIN}"},
            {"participant_email": "yara@x.example"},
        ),
    ),
    (
        f"{CAL}.delete_event",
        {"event_id": "00000001"},
        ("events", {"event_name": "irrigation firmware review"}, None),
    ),
    (
        f"{POST}.send_email",
        MAIL,
        (
            "emails",
            None,
            {"email_id": "21", "sender/recipient": "ada@x.example", "sent_datetime": "2023-11-30 00:00:00"},
        ),
    ),
    (
        f"{POST}.forward_email",
        {"email_id": "00000017", "recipient": "a@b.example"},
        ("emails", None, {"subject": "FW: Seed tray prices for spring", "inbox/outbox": "outbox"}),
    ),
    (
        f"{POST}.reply_email",
        {"email_id": "00000017", "body": "Take them."},
        (
            "emails",
            None,
            {"sender/recipient": f"hugo.abreu@{DOMAIN}", "subject": "Seed tray prices for spring"},
        ),
    ),
    (f"{POST}.delete_email", {"email_id": "00000017"}, ("emails", {"email_id": "00000017"}, None)),
    (
        f"{CRM}.add_customer",
        CUSTOMER,
        (
            "customers",
            None,
            {"customer_id": "00000013", "assigned_to_email": "hugo@x.example", "customer_email": ""},
        ),
    ),
    (
        f"{CRM}.update_customer",
        {"customer_id": "00000001", "field": "status", "new_value": "Won"},
        ("customers", {"status": "Won"}, {"status": "Won"}),
    ),
    (
        f"{CRM}.update_customer",
        {"customer_id": "00000007", "field": "product_interest", "new_value": "Training"},
        ("customers", {"product_interest": "Hardware"}, {"product_interest": "Training"}),
    ),
    (f"{CRM}.delete_customer", {"customer_id": "00000007"}, ("customers", {"customer_id": "00000007"}, None)),
    (
        f"{PM}.create_task",
        TASK,
        ("tasks", None, {"task_id": "00000016", "assigned_to_email": f"owen.pritchard@{DOMAIN}"}),
    ),
    (
        f"{PM}.update_task",
        {"task_id": "00000008", "field": "list_name", "new_value": "Completed"},
        ("tasks", {"list_name": "In Review"}, {"list_name": "Completed"}),
    ),
    (f"{PM}.delete_task", {"task_id": "00000008"}, ("tasks", {"board": "Back end"}, None)),
    (
        f"{WEB}.create_plot",
        PLOT,
        ("plots", None, {"file_path": "plots/2023-11-20_2023-11-29_total_visits_bar.png"}),
    ),
]

# Tool, arguments, the ids (or the value) that it finds.
READS: list[tuple[str, dict[str, str], Any]] = [
    (f"{CAL}.get_event_information_by_id", {"event_id": "00000001", "field": "duration"}, {"duration": "90"}),
    (f"{CAL}.search_events", {"query": "STAND-up"}, ["00000014", "00000011"]),
    (f"{CAL}.search_events", {"query": "magnus", "time_min": "2023-11-29 10:00:00"}, ["00000011"]),
    (f"{CAL}.search_events", {"time_min": "2023-11-29", "time_max": "2023-11-29T09:15:00"}, ["00000014"]),
    (f"{CAL}.search_events", {}, ["00000004", "00000009", "00000001", "00000012", "00000007"]),
    (f"{CAL}.search_events", {"query": "nobody"}, []),
    (
        f"{POST}.get_email_information_by_id",
        {"email_id": "00000011", "field": "inbox/outbox"},
        {"inbox/outbox": "inbox"},
    ),
    (f"{POST}.search_emails", {"query": "FIX tobias"}, ["00000007", "00000019", "00000011"]),
    (
        f"{POST}.search_emails",
        {"query": "sensors", "date_max": "2023-11-28"},
        ["00000020", "00000001", "00000014"],
    ),
    (f"{POST}.search_emails", {"date_min": "2023-11-29", "query": "friday"}, ["00000007", "00000019"]),
    (f"{CRM}.search_customers", {"status": "won"}, ["00000002", "00000001"]),
    (
        f"{CRM}.search_customers",
        {"last_contact_date_min": "2023-11-28", "follow_up_by_max": "2023-12-06"},
        ["00000007"],
    ),
    (
        f"{CRM}.search_customers",
        {"assigned_to_email": "@"},
        ["00000007", "00000002", "00000010", "00000005", "00000001"],
    ),
    (f"{PM}.get_task_information_by_id", {"task_id": "00000001", "field": "board"}, {"board": "Front end"}),
    (f"{PM}.search_tasks", {"board": "design", "list_name": "in"}, ["00000007", "00000002"]),
    (f"{WEB}.total_visits_count", {"time_max": "2023-11-21"}, {"2023-11-20": 3, "2023-11-21": 3}),
    (f"{WEB}.engaged_users_count", {"time_min": "2023-11-29"}, {"2023-11-29": 2}),
    (
        f"{WEB}.traffic_source_count",
        {"time_max": "2023-11-20", "traffic_source": "direct"},
        {"2023-11-20": 2},
    ),
    (f"{WEB}.traffic_source_count", {"time_max": "2023-11-20"}, {"2023-11-20": 3}),
    (f"{WEB}.get_average_session_duration", {"time_max": "2023-11-20"}, {"2023-11-20": 46 / 3}),
    (f"{WEB}.get_visitor_information_by_id", {"visitor_id": "1555"}, ["2023-11-27"]),
    ("company_directory.find_email_address", {"name": "OW"}, [f"owen.pritchard@{DOMAIN}"]),
]

# Tool, arguments, what the refusal says.
REFUSED: list[tuple[str, dict[str, str], str]] = [
    (f"{CAL}.get_event_information_by_id", {"event_id": "00000001"}, "missing: field"),
    (f"{CAL}.get_event_information_by_id", {"event_id": "1", "field": "duration"}, "no '1'"),
    (f"{CAL}.get_event_information_by_id", {"event_id": "00000001", "field": "room"}, "expected one of"),
    (f"{CAL}.search_events", {"time_min": "tomorrow"}, "time_min: expected YYYY-MM-DD"),
    (f"{CAL}.create_event", EVENT | {"duration": ""}, "missing: duration"),
    (f"{CAL}.create_event", {}, "missing: event_name, participant_email, event_start, duration"),
    (f"{CAL}.update_event", {"event_id": "00000001", "field": "duration"}, "missing: new_value"),
    (
        f"{CAL}.update_event",
        {"event_id": "00000001", "field": "event_id", "new_value": "2"},
        "field: expected",
    ),
    (f"{CAL}.update_event", {"event_id": "99999999", "field": "duration", "new_value": "2"}, "no '99999999'"),
    (f"{CAL}.delete_event", {}, "missing: event_id"),
    (f"{CAL}.delete_event", {"event_id": "99999999"}, "no '99999999'"),
    (f"{POST}.get_email_information_by_id", {"email_id": "last", "field": "body"}, "no 'last'"),
    (f"{POST}.search_emails", {"date_max": "None"}, "date_max"),
    (f"{POST}.send_email", MAIL | {"recipient": "ada"}, "mail address"),
    (f"{POST}.send_email", {"recipient": "a@b.example"}, "missing: subject, body"),
    (f"{POST}.forward_email", {"email_id": "00000017", "recipient": "ada"}, "mail address"),
    (f"{POST}.forward_email", {"email_id": "999", "recipient": "a@b.example"}, "no '999'"),
    (f"{POST}.reply_email", {"email_id": "999", "body": "Hm"}, "no '999'"),
    (f"{POST}.reply_email", {"email_id": "00000017"}, "missing: body"),
    (f"{POST}.delete_email", {"email_id": "999"}, "no '999'"),
    (f"{CRM}.search_customers", {}, "no criterion"),
    (f"{CRM}.add_customer", {"customer_name": "Ada"}, "missing: assigned_to_email, status"),
    (
        f"{CRM}.update_customer",
        {"customer_id": "00000001", "field": "status", "new_value": "won"},
        "status: expected",
    ),
    (
        f"{CRM}.update_customer",
        {"customer_id": "00000001", "field": "product_interest", "new_value": "Tea"},
        "product_interest: expected",
    ),
    (
        f"{CRM}.update_customer",
        {"customer_id": "00000001", "field": "town", "new_value": "Bern"},
        "field: expected",
    ),
    (f"{CRM}.update_customer", {"customer_id": "999", "field": "notes", "new_value": "Hm"}, "no '999'"),
    (f"{CRM}.delete_customer", {"customer_id": "999"}, "no '999'"),
    (f"{PM}.get_task_information_by_id", {"task_id": "999", "field": "board"}, "no '999'"),
    (f"{PM}.search_tasks", {}, "no criterion"),
    (f"{PM}.create_task", TASK | {"board": "Kitchen"}, "board: expected"),
    (f"{PM}.create_task", TASK | {"list_name": "Done"}, "list_name: expected"),
    (f"{PM}.create_task", TASK | {"assigned_to_email": f"ines.moreau@{DOMAIN}"}, "nobody of the team"),
    (f"{PM}.create_task", TASK | {"due_date": ""}, "missing: due_date"),
    (
        f"{PM}.update_task",
        {"task_id": "00000001", "field": "board", "new_value": "Kitchen"},
        "board: expected",
    ),
    (
        f"{PM}.update_task",
        {"task_id": "00000001", "field": "assigned_to_email", "new_value": "a@b.c"},
        "nobody",
    ),
    (f"{PM}.update_task", {"task_id": "00000001", "field": "status", "new_value": "Done"}, "field: expected"),
    (f"{PM}.update_task", {"task_id": "999", "field": "board", "new_value": "Design"}, "no '999'"),
    (f"{PM}.delete_task", {"task_id": "999"}, "no '999'"),
    (f"{WEB}.create_plot", PLOT | {"value_to_plot": "visits"}, "value_to_plot: expected"),
    (f"{WEB}.create_plot", PLOT | {"plot_type": "pie"}, "plot_type: expected"),
    (f"{WEB}.create_plot", {"time_min": "2023-11-20"}, "missing: time_max, value_to_plot, plot_type"),
    (f"{WEB}.get_visitor_information_by_id", {"visitor_id": "x"}, "no visitor 'x'"),
    ("company_directory.find_email_address", {}, "missing: name"),
]
