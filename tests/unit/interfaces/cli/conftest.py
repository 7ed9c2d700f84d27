from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from buddy import wiring
from buddy.ports import HomeStore


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an empty home."""
    for name in ("BUDDY_APPROVALS", "BUDDY_MODE", "DRY_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(folder: Path) -> Iterator[HomeStore]:
    with closing(wiring.home()) as opened:
        yield opened
