"""What Mployer's tools do."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import CapturedRequest
from buddy.adapters.providers.base.tools import PLACEHOLDER, Asked, Operation
from buddy.adapters.providers.gohighlevel.client import FIELDS
from buddy.adapters.providers.mployer import account
from buddy.adapters.providers.mployer.client import MployerClient, as_contact
from buddy.errors import ChangedSince
from buddy.model.mode import Mode
from buddy.model.outcome import Change, Restored


@asynccontextmanager
async def connect(asked: Asked, access: Access) -> AsyncIterator[MployerClient]:
    """Open the portal for a call: in MOCK a simulated one in this process, else in the run's window."""
    yield account.simulated() if asked.mode is Mode.MOCK else account.client(access, asked.mode, asked.run)


async def _login(client: MployerClient, asked: Asked) -> Any:
    return await client.login()


async def _search(client: MployerClient, asked: Asked) -> Any:
    return await client.search_contacts(asked.args)


async def _extract(client: MployerClient, asked: Asked) -> Any:
    return await client.extract_contacts(asked.args["search"])


async def _logout(client: MployerClient, asked: Asked) -> Any:
    return await client.logout()


def _mark(asked: Asked) -> str:
    """Return the source of contacts that this call creates, which tells them from all others."""
    return f"Mployer buddy:{sha256(asked.key.encode()).hexdigest()[:12]}"


async def _add(client: MployerClient, asked: Asked) -> Any:
    return await client.add_to_gohighlevel(asked.args["contacts"], _mark(asked))


async def _describe_add(
    client: MployerClient, asked: Asked, request: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    changes, existing, ahead = [], [], []
    for contact in asked.args["contacts"]:
        there = await client.in_gohighlevel(contact["email"])
        if there is not None:
            existing.append(there["id"])
            continue
        ahead.append(f"{PLACEHOLDER}{contact['email']}")
        after = {**as_contact(contact), "source": _mark(asked)}
        changes.append(Change(resource=f"contact:{contact['email']}", after=after))
    return changes, {"created": ahead, "existing": existing}


def _as_if_created(asked: Asked, stopped: CapturedRequest) -> Any:
    """Return a contact that does not exist, so that those after it are seen too."""
    made = stopped.body if isinstance(stopped.body, Mapping) else {}
    return {"contact": {**made, "id": f"{PLACEHOLDER}{made.get('email', '')}"}}


async def _undo_add(client: MployerClient, asked: Asked, result: Any) -> Restored:
    created = result["created"] if isinstance(result, Mapping) else []
    ours = [contact for contact in asked.args["contacts"] if await _is_ours(client, asked, contact)]
    if len(ours) < len(created):
        gone = len(created) - len(ours)
        raise ChangedSince(f"{gone} of {len(created)} contacts that were created are changed or gone")
    await client.take_back(created)
    left = [contact for contact in ours if await client.in_gohighlevel(contact["email"]) is not None]
    return Restored(verified=not left, exact=False)


async def _is_ours(client: MployerClient, asked: Asked, contact: Mapping[str, Any]) -> bool:
    """Whether a contact is as this call created it."""
    there = await client.in_gohighlevel(contact["email"])
    wanted = {FIELDS[name]: value for name, value in as_contact(contact).items()}
    wanted["source"] = _mark(asked)
    return there is not None and all(
        str(there.get(name, "")).casefold() == str(value).casefold() for name, value in wanted.items()
    )


async def _probe_add(client: MployerClient, asked: Asked) -> bool | None:
    there = [await client.in_gohighlevel(contact["email"]) for contact in asked.args["contacts"]]
    if all(one is not None for one in there):
        return True
    # Some of them and not all: the call was cut off in its middle.
    return None if any(one is not None and one.get("source") == _mark(asked) for one in there) else False


OPERATIONS: Mapping[str, Operation] = {
    "mployer.login": Operation(act=_login),
    "mployer.search_contacts": Operation(act=_search),
    "mployer.extract_contacts": Operation(act=_extract),
    "mployer.add_to_gohighlevel": Operation(
        act=_add, describe=_describe_add, stand_in=_as_if_created, undo=_undo_add, probe=_probe_add
    ),
    "mployer.logout": Operation(act=_logout),
}
