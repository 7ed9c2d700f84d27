"""The picture of the portal in the docs, with the structure of the page that it shows.

`python tests/providers/mployer/picture.py` takes it again.
"""

import asyncio
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[3] / "docs" / "img" / "mployer-portal.png"
SIZE = (1280, 600)
KEY = b"structure"
"""Name of the text in the PNG that holds the page's tree of roles and names."""


async def look(base_url: str, login: Any) -> tuple[bytes, str]:
    """Return a PNG of a search in the portal, and the tree of roles and names that it shows."""
    from buddy.adapters.providers.browser.sessions import SESSIONS
    from buddy.adapters.providers.mployer.portal import ChromiumPortal
    from buddy.adapters.providers.mployer.selectors import Selectors
    from buddy.adapters.providers.mployer.walk import Login, Walk
    from buddy.model.mode import Mode

    names = Selectors()
    portal = ChromiumPortal(base_url, Mode.DRY_RUN, "picture", names.session_paths)
    walk = Walk(names, Login(username=login.username, password=login.password))

    async def shown(tab: Any) -> tuple[bytes, str]:
        page = tab.page
        await page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        tree = await page.locator("body").aria_snapshot()
        return await page.screenshot(), tree

    async def search(pages: Any) -> None:
        await pages.open(names.search_path)
        await pages.fill(names.filters["state"], "Texas")
        await pages.fill(names.filters["min_employees"], "20")
        await pages.send(names.search)

    try:
        await portal.visit(walk.with_password)
        await portal.visit(search)
        return await SESSIONS.call(("picture", "mployer"), Mode.DRY_RUN, shown)
    finally:
        await portal.close()


def with_structure(png: bytes, tree: str) -> bytes:
    """Put a page's structure into a PNG, after its header."""
    body = KEY + b"\0" + tree.encode("latin-1", "replace")
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body
    header = 8 + 25
    return png[:header] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + png[header:]


def structure(png: bytes) -> tuple[tuple[int, int], str]:
    """Return the size of a PNG in pixels, and the structure that was put into it."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    size, at = struct.unpack(">II", png[16:24]), 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"tEXt" and body.startswith(KEY + b"\0"):
            return size, body[len(KEY) + 1 :].decode("latin-1")
        at += length + 12
    return size, ""


def take() -> bytes:
    """Return the picture as it would be taken now, with its structure."""
    from buddy.adapters.providers.base.serving import running
    from buddy.adapters.providers.mployer.simulator.portal import simulator

    app = simulator()
    with running(app) as base_url:
        png, tree = asyncio.run(look(base_url, app.portal.login))
    return with_structure(png, tree)


if __name__ == "__main__":
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_bytes(take())
    sys.stdout.write(f"{DOCS}: {DOCS.stat().st_size:,} bytes\n")
