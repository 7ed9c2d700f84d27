"""What a simulated tenant begins with: two people, and five mails in the first one's inbox."""

from typing import Any

from buddy.adapters.providers.msgraph.simulator.store import Store

MAILBOX = "alex.rivera@contoso.example"
"""The mailbox that a client is given."""
COLLEAGUE = "sam.lee@contoso.example"

_PEOPLE = ((MAILBOX, "Alex Rivera"), (COLLEAGUE, "Sam Lee"))
_MAILS: tuple[tuple[Any, ...], ...] = (
    (
        *("2026-01-05T08:12:00Z", "Dana Whitfield", "dana@northwind.example", "Benefits renewal for 2026"),
        "Hi Alex,\n\nour renewal is due in March and we have 84 employees now. Can you quote?\n\nDana",
        {},
    ),
    (
        *("2026-01-06T10:40:00Z", "Sam Lee", COLLEAGUE, "Prospect list for Friday"),
        "Alex, the list has 12 employers in Ohio. I marked the three that asked for a call.\n\nSam",
        {"isRead": True, "categories": ["Blue category"]},
    ),
    (
        *("2026-01-07T14:05:00Z", "Contoso IT", "it@contoso.example", "Your password expires in 10 days"),
        "<html><body><p>Please change your password before <b>17 January</b>.</p></body></html>",
        {"importance": "high"},
    ),
    (
        *("2026-01-08T09:30:00Z", "Priya Nair", "priya@fabrikam.example", "Invoice 2231"),
        "Hello,\n\nplease find invoice 2231 attached.\n\nPriya",
        {
            "attachments": [
                {
                    "name": "invoice-2231.txt",
                    "contentType": "text/plain",
                    "contentBytes": "SW52b2ljZSAyMjMxOiAxLDI1MCBVU0Q=",
                    "isInline": False,
                }
            ]
        },
    ),
    (
        *(
            "2026-01-09T16:55:00Z",
            "Dana Whitfield",
            "dana@northwind.example",
            "Re: Benefits renewal for 2026",
        ),
        "One more thing: dental has to be in it.\n\nDana",
        {"flag": {"flagStatus": "flagged"}},
    ),
)


def fill(store: Store) -> None:
    """Put into a tenant what it begins with."""
    for address, name in _PEOPLE:
        store.open(address, name)
    mailbox = store.open(MAILBOX, "")
    for place, (time, name, address, subject, said, more) in enumerate(_MAILS):
        sender = {"emailAddress": {"name": name, "address": address}}
        mailbox.add(
            {
                **dict.fromkeys(("createdDateTime", "lastModifiedDateTime", "receivedDateTime"), time),
                "sentDateTime": time,
                "subject": subject,
                "body": {"contentType": "html" if said.startswith("<html>") else "text", "content": said},
                "from": sender,
                "sender": sender,
                "toRecipients": [mailbox.as_recipient],
                "internetMessageId": f"<seeded-{store.seed}-{place}@{address.partition('@')[2]}>",
                "isRead": False,
                "isDraft": False,
                **more,
            },
            "inbox",
        )
