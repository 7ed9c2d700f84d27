import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from buddy.adapters.home import SqliteHome, database, home_folder
from buddy.adapters.home.folder import door
from buddy.adapters.home.schema import MIGRATIONS
from buddy.errors import ClosedStop, HomeUnavailable
from buddy.ports import Action, Admitted, Breaker
from unit.adapters.home.processes import another

Opener = Callable[[], SqliteHome]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(folder: Path, *, busy_timeout_s: float = 0.1) -> str:
    """Try to open a home; nothing of it may stay open."""
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(HomeUnavailable) as caught:
        SqliteHome(folder, busy_timeout_s=busy_timeout_s)
    assert isinstance(caught.value, ClosedStop)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after == before
    said = str(caught.value)
    assert str(folder) in said
    assert "\n" not in said
    return said


class TestWhere:
    def test_the_environment_says_it(self, tmp_path: Path) -> None:
        assert home_folder({"BUDDY_HOME": str(tmp_path)}) == tmp_path

    def test_it_is_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert home_folder({"BUDDY_HOME": "here"}) == tmp_path / "here"
        monkeypatch.setenv("HOME", str(tmp_path))
        assert home_folder({"BUDDY_HOME": "~/mine"}) == tmp_path / "mine"

    @pytest.mark.parametrize("env", [{}, {"BUDDY_HOME": ""}])
    def test_else_the_platform_says_it(
        self, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        folder = home_folder(env)
        assert folder.name == "buddy"
        assert folder.is_relative_to(tmp_path)


class TestMaking:
    def test_it_is_private(self, open_home: Opener, folder: Path) -> None:
        home = open_home()
        home.open_breaker(Breaker("tool:x", 1.0, "broken"))
        assert mode_of(folder) == 0o700
        for path in folder.glob("buddy.db*"):
            assert mode_of(path) == 0o600, path

    def test_the_key_is_made_once(self, open_home: Opener, tmp_path: Path) -> None:
        first, second = open_home(), open_home()
        assert len(first.key) == 32
        assert first.key == second.key
        other = SqliteHome(tmp_path / "other")
        assert other.key != first.key
        other.close()

    def test_a_draft_left_by_a_crash_is_no_hindrance(self, open_home: Opener, folder: Path) -> None:
        folder.mkdir()
        (folder / "buddy.db.new").write_text("half")
        open_home()

    def test_many_processes_at_once_make_one(self, folder: Path) -> None:
        script = (
            "import sys, pathlib\n"
            "from buddy.adapters.home import SqliteHome\n"
            "sys.stdin.readline()\n"
            "home = SqliteHome(pathlib.Path(sys.argv[1]))\n"
            "print(home.key.hex())\n"
            "home.close()\n"
        )
        crowd = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(6)
        ]
        keys = [process.communicate("\n", timeout=30)[0] for process in crowd]
        assert [process.returncode for process in crowd] == [0] * 6
        assert len(set(keys)) == 1

    def test_it_is_shared_and_durable(self, home: SqliteHome, open_home: Opener) -> None:
        modes = []
        for transaction in (home._database.durable, home._database.quick, home._database.durable):
            with transaction as connection:
                modes.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        assert modes == [2, 1, 2]  # FULL, NORMAL, FULL
        assert home._database.durable._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


class TestUnusable:
    def test_a_text_file(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "buddy.db").write_text("This is a letter, not a database.\n" * 200)
        assert "not a sound database" in refused(folder)

    def test_cut_anywhere(self, open_home: Opener, folder: Path) -> None:
        home = open_home()
        home.set_lock(True, "ada", "spring cleaning", 1.0)
        home.close()
        whole = (folder / "buddy.db").read_bytes()
        assert not (folder / "buddy.db-wal").exists()
        for size in [0, 1, 15, 16, 99, 100, 511, 512, 4095, 4096, 4097, *range(8192, len(whole), 8192)]:
            (folder / "buddy.db").write_bytes(whole[:size])
            assert "not a sound database" in refused(folder), size
            assert (folder / "buddy.db").read_bytes() == whole[:size]

    def test_damaged_inside(self, open_home: Opener, folder: Path) -> None:
        home = open_home()
        home.set_lock(True, "ada", "spring cleaning", 1.0)
        home.close()
        path = folder / "buddy.db"
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\x77" * (len(whole) - 4096))
        assert "not a sound database" in refused(folder)

    def test_damaged_while_it_is_open(self, home: SqliteHome, folder: Path) -> None:
        home.set_lock(True, "ada", "spring cleaning", 1.0)
        with another(folder, "home.close()\nprint('gone', flush=True)\n") as other:
            assert other.line() == "gone"
        home._database.durable._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (folder / "buddy.db").open("r+b") as file:
            file.seek(4096)
            file.write(b"\x77" * (folder / "buddy.db").stat().st_size)
        home._database.durable._connection.execute("PRAGMA shrink_memory")
        with pytest.raises(HomeUnavailable, match="not a sound database"):
            home.lock_state()

    def test_another_programs(self, folder: Path) -> None:
        folder.mkdir()
        connection = sqlite3.connect(folder / "buddy.db")
        connection.execute("CREATE TABLE photographs (name)")
        connection.close()
        before = (folder / "buddy.db").read_bytes()
        assert "another program" in refused(folder)
        assert (folder / "buddy.db").read_bytes() == before

    def test_gone_but_for_its_log(self, open_home: Opener, folder: Path) -> None:
        open_home().close()
        (folder / "buddy.db").unlink()
        (folder / "buddy.db-wal").write_bytes(b"frames")
        assert "not a sound database" in refused(folder)

    def test_of_a_later_buddy(self, open_home: Opener, folder: Path) -> None:
        open_home().close()
        connection = sqlite3.connect(folder / "buddy.db")
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
        connection.close()
        assert "upgrade Buddy" in refused(folder)

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("mine")
        assert "BUDDY_HOME" in refused(tmp_path / "home")
        assert "BUDDY_HOME" in refused(tmp_path / "home" / "below")

    def test_kept_busy_by_another_process(self, home: SqliteHome, folder: Path) -> None:
        script = (
            "connection = home._database.durable._connection\n"
            "connection.execute('BEGIN EXCLUSIVE')\n"
            "print('busy', flush=True)\n"
            "sys.stdin.readline()\n"
            "connection.execute('ROLLBACK')\n"
            "print('free', flush=True)\n"
            "sys.stdin.readline()\n"
        )
        home._database.durable._connection.execute("PRAGMA busy_timeout=100")
        with another(folder, script) as other:
            assert other.line() == "busy"
            with pytest.raises(HomeUnavailable, match="busy"):
                SqliteHome(folder, busy_timeout_s=0.1)
            with pytest.raises(HomeUnavailable, match="busy") as caught:
                home.set_lock(True, "ada", "now", 1.0)
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            assert not home.lock_state().engaged
            other.say()
            assert other.line() == "free"
            assert home.set_lock(True, "ada", "now", 1.0).engaged

    def test_somebody_stands_in_the_door(self, folder: Path) -> None:
        with door(folder, 1.0):
            assert "being opened" in refused(folder)

    def test_a_commit_that_fails_leaves_nothing_begun(self, home: SqliteHome) -> None:
        connection = home._database.durable._connection
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("CREATE TEMP TABLE parents (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TEMP TABLE children (parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
        )
        with pytest.raises(HomeUnavailable) as caught, home._database.durable:
            connection.execute("INSERT INTO children VALUES (1)")
        assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
        assert home.set_lock(True, "ada", "now", 1.0).engaged

    def test_closed(self, home: SqliteHome) -> None:
        home.close()
        home.close()
        with pytest.raises(HomeUnavailable):
            home.lock_state()


def actions(first: int, count: int) -> list[Action]:
    return [
        Action(
            run_id="run",
            step=f"p/{number}",
            tool="t",
            agent="a",
            digest=f"{number:064}",
            writes=True,
            resources=(f"contact:{number}",),
        )
        for number in range(first, first + count)
    ]


def ledger_steps(home: SqliteHome) -> set[str]:
    with home._database.reading as connection:
        return {step for (step,) in connection.execute("SELECT step FROM actions")}


def test_a_full_disk_keeps_whole_batches(home: SqliteHome, open_home: Opener) -> None:
    """However many pages are left, a batch is in the books with everything of it or not at all."""
    connection = home._database.durable._connection
    admitted: set[str] = set()
    failures: list[str] = []
    for batch in range(60):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + batch % 12}")
        wanted = actions(batch * 40, 40)
        try:
            answers = home.admit(wanted, 1.0, 10.0, ())
        except HomeUnavailable as problem:
            failures.append(str(problem))
            connection.execute("PRAGMA max_page_count=1000000")
        else:
            assert all(isinstance(answer, Admitted) for answer in answers)
            admitted |= {action.step for action in wanted}
        assert ledger_steps(home) == admitted
    assert 5 < len(failures) < 55
    assert all("free some space" in failure for failure in failures)
    home.close()
    assert ledger_steps(open_home()) == admitted


def test_what_a_killed_process_was_told_is_in_the_books(folder: Path, open_home: Opener) -> None:
    script = (
        "for number in range(1_000_000):\n"
        "    admitted = home.admit([Action(run_id='run', step=f'p/{number}', tool='t', agent='a',\n"
        "        digest=str(number), writes=True, resources=('r',))], 1.0, 10.0, ())\n"
        "    print(number, flush=True)\n"
    )
    with another(folder, script) as other:
        while int(other.line()) < 30:
            pass
        other.process.kill()
        rest = other.process.stdout.read().split() if other.process.stdout else []
    last = max([30, *map(int, rest[:-1])])
    assert {f"p/{number}" for number in range(last + 1)} <= ledger_steps(open_home())


def test_every_size_that_a_file_may_not_outgrow(folder: Path, open_home: Opener) -> None:
    """The system refuses to write beyond more and more bytes; each refusal is one clear stop."""
    open_home().close()
    script = (
        "import resource\n"
        "from buddy.errors import HomeUnavailable\n"
        "from buddy.ports import Action\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "failures = 0\n"
        "for size in range(0, 200_000, 3_000):\n"
        "    batch = [Action(run_id='run', step=f'{size}/{number}', tool='t', agent='a', writes=True,\n"
        "        digest=f'{size}.{number}', resources=(f'r{size}.{number}',)) for number in range(20)]\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))\n"
        "    try:\n"
        "        home.admit(batch, 1.0, 10.0, ())\n"
        "    except HomeUnavailable:\n"
        "        failures += 1\n"
        "    else:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "        print(size)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "home.set_lock(True, 'ada', str(failures), 1.0)\n"
        "print('end', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    admitted = set()
    with another(folder, script) as other:
        while (line := other.line()) != "end":
            admitted |= {f"{line}/{number}" for number in range(20)}
    home = open_home()
    assert ledger_steps(home) == admitted
    assert int(home.lock_state().reason) > 5
    assert len(admitted) > 5 * 20


class TestMigration:
    SECOND = "CREATE TABLE evidence (tool TEXT PRIMARY KEY, passed INTEGER NOT NULL);"

    def test_an_older_database_is_brought_up_to_date(self, open_home: Opener, folder: Path) -> None:
        home = open_home()
        key = home.key
        home.set_lock(True, "ada", "spring cleaning", 1.0)
        home.close()
        with door(folder, 1.0):
            database.ready(folder, 1.0, [*MIGRATIONS, self.SECOND])
            database.ready(folder, 1.0, [*MIGRATIONS, self.SECOND])
        connection = sqlite3.connect(folder / "buddy.db")
        assert connection.execute("SELECT count(*) FROM evidence").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone() == (key,)
        assert connection.execute("SELECT engaged FROM lock_epochs").fetchone() == (1,)
        connection.close()
        assert "upgrade Buddy" in refused(folder)

    def test_a_ledger_of_the_first_version_still_finds_duplicates(
        self, open_home: Opener, folder: Path
    ) -> None:
        folder.mkdir(mode=0o700)
        with door(folder, 1.0):
            database.ready(folder, 1.0, MIGRATIONS[:1])
        with closing(sqlite3.connect(folder / "buddy.db")) as connection:
            row = (1, "d" * 32, "run", "p/1", "mail.send", "ada", 1_000.0, 0, b'["contact:x"]')
            connection.execute("INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            connection.execute("INSERT INTO action_resources VALUES ('contact:x', 1)")
            connection.commit()
        (earlier,) = open_home().earlier("d" * 32, "other", "p/1", ("contact:x",), 1_001.0, 10.0)
        assert (earlier.run_id, earlier.step) == ("run", "p/1")

    def test_one_that_fails_changes_nothing(self, open_home: Opener, folder: Path) -> None:
        open_home().close()
        with door(folder, 1.0), pytest.raises(sqlite3.Error):
            database.ready(folder, 1.0, [*MIGRATIONS, self.SECOND + " CREATE TABLE runs (x);"])
        connection = sqlite3.connect(folder / "buddy.db")
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        assert "evidence" not in names
        connection.close()
        open_home()
