from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from buddy.adapters.home import SqliteHome
from buddy.errors import BadInput, HomeUnavailable, IllegalMove
from buddy.journal.codec import Head
from buddy.model.mode import Mode
from buddy.ports import Breaker, LeaseWant, RunRow

Opener = Callable[[], SqliteHome]


def row(run_id: str = "run_1", **fields: Any) -> RunRow:
    known: dict[str, Any] = {
        "folder": "/runs/1",
        "mode": Mode.LIVE,
        "started_at": 1.0,
        "state": "running",
        "head": Head(),
    }
    return RunRow(run_id=run_id, **(known | fields))


class TestRuns:
    def test_newest_first(self, home: SqliteHome, open_home: Opener) -> None:
        rows = [
            row(f"run_{number}", started_at=float(number), folder=f"/runs/{number}") for number in range(3)
        ]
        for each in (rows[1], rows[0], rows[2]):
            home.register_run(each)
        assert home.runs() == rows[::-1]
        home.close()
        assert open_home().runs() == rows[::-1]

    def test_the_end_of_its_journal_is_kept(self, home: SqliteHome, open_home: Opener) -> None:
        home.register_run(row())
        home.keep_head("run_1", Head(7, "f" * 64), "held")
        home.close()
        assert open_home().runs() == [row(state="held", head=Head(7, "f" * 64))]

    def test_how_far_it_has_come_is_noted_while_it_is_under_way(
        self, home: SqliteHome, open_home: Opener
    ) -> None:
        home.register_run(row())
        home.note_head("run_1", Head(5, "e" * 64))
        home.close()
        [found] = open_home().runs()
        assert found == row(head=Head(5, "e" * 64))
        assert not found.at_rest
        assert row(state="held").at_rest

    def test_leases_may_be_given_up_with_it(self, home: SqliteHome) -> None:
        home.register_run(row())
        assert home.acquire([LeaseWant("first", (("thing", True),))]) == [True]
        assert home.acquire([LeaseWant("second", (("thing", True),))]) == [False]
        home.note_head("run_1", Head(5, "e" * 64), ["nobody", "first"])
        assert home.acquire([LeaseWant("second", (("thing", True),))]) == [True]

    def test_of_a_run_that_is_not_known_nothing_is_noted(self, home: SqliteHome) -> None:
        home.register_run(row())
        home.note_head("sim_1", Head(5, "e" * 64))
        assert home.runs() == [row()]

    def test_only_of_a_run_that_is_known(self, home: SqliteHome) -> None:
        with pytest.raises(IllegalMove, match="run_1"):
            home.keep_head("run_1", Head(), "running")

    def test_one_is_taken_up_again_in_its_folder(self, home: SqliteHome) -> None:
        home.register_run(row())
        again = row(mode=Mode.DRY_RUN, head=Head(3, "a" * 64))
        home.register_run(again)
        assert home.runs() == [again]

    def test_one_that_goes_on_elsewhere_is_left_alone(self, home: SqliteHome) -> None:
        home.register_run(row())
        with pytest.raises(BadInput, match="/runs/1"):
            home.register_run(row(folder="/runs/2"))
        assert home.runs() == [row()]

    def test_one_that_came_to_rest_elsewhere_is_replaced(self, home: SqliteHome) -> None:
        home.register_run(row(state="finished"))
        home.register_run(row(folder="/runs/2"))
        assert home.runs() == [row(folder="/runs/2")]

    def test_a_row_that_nobody_wrote(self, home: SqliteHome) -> None:
        home.register_run(row())
        with home._database.durable as connection:
            connection.execute("UPDATE runs SET mode = 'DEAD'")
        with pytest.raises(HomeUnavailable, match="not a sound database"):
            home.runs()


class TestBreakers:
    def test_open_until_closed(self, home: SqliteHome, open_home: Opener) -> None:
        breaker = Breaker("tool:mail.send", 1.0, "3 failures in a row")
        home.open_breaker(Breaker("agent:a", 2.0, "failing"))
        home.open_breaker(breaker)
        home.open_breaker(structs.replace(breaker, opened_at=9.0))
        assert open_home().breakers() == [breaker, Breaker("agent:a", 2.0, "failing")]
        assert home.close_breaker("tool:mail.send")
        assert not home.close_breaker("tool:mail.send")
        assert home.breakers() == [Breaker("agent:a", 2.0, "failing")]
