from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buddy.journal.times import iso, millis, seconds

FIRST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
LAST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


@given(st.floats(FIRST, LAST))
@example(0.0)
@example(0.9999995)
@example(1_767_225_599.9999999)
@example(-0.0000004)
def test_a_time_is_written_as_datetime_writes_it(now: float) -> None:
    assert iso(now) == datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")


@given(st.floats(0, 4e9))
def test_a_time_is_read_again_to_the_microsecond(now: float) -> None:
    assert abs(seconds(iso(now)) - now) <= 1e-6


@given(st.floats(0, 1e6))
def test_milliseconds_are_to_the_microsecond(spent: float) -> None:
    told = millis(spent)
    assert abs(told - spent * 1000) <= 0.00051
    assert len(repr(told).partition(".")[2]) <= 3


def test_other_offsets_are_read() -> None:
    assert (
        seconds("2026-01-01T02:00:00+02:00") == seconds("2026-01-01T00:00:00Z") == seconds(iso(1_767_225_600))
    )


@pytest.mark.parametrize("text", ["", "soon", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        seconds(text)
