from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buddy.adapters.home import SqliteHome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def open_home(folder: Path) -> Iterator[Callable[[], SqliteHome]]:
    homes: list[SqliteHome] = []

    def opened() -> SqliteHome:
        homes.append(SqliteHome(folder, busy_timeout_s=2.0))
        return homes[-1]

    yield opened
    for home in homes:
        home.close()


@pytest.fixture
def home(open_home: Callable[[], SqliteHome]) -> SqliteHome:
    return open_home()
