import re

from buddy.adapters.system import RandomIds, SeededIds

FORM = re.compile(r"run_[0-9a-hjkmnp-tv-z]{10}")


def test_random_names_are_short_and_differ() -> None:
    ids = RandomIds()
    names = {ids.new("run") for _ in range(2_000)}
    assert len(names) == 2_000
    assert all(FORM.fullmatch(name) for name in names)


def test_every_character_is_used() -> None:
    ids = RandomIds()
    assert len(set("".join(ids.new("") for _ in range(500)))) == 33


def test_seeded_names_come_again() -> None:
    one, same, other = SeededIds(1), SeededIds(1), SeededIds(2)
    names = [one.new("run") for _ in range(500)]
    assert names == [same.new("run") for _ in range(500)]
    assert len(set(names)) == 500
    assert all(FORM.fullmatch(name) for name in names)
    assert not set(names) & {other.new("run") for _ in range(500)}


def test_prefixes_do_not_disturb_each_other() -> None:
    alone, mixed = SeededIds(3), SeededIds(3)
    expected = [alone.new("run") for _ in range(3)]
    got = []
    for _ in range(3):
        mixed.new("appr")
        got.append(mixed.new("run"))
    assert got == expected


def test_names_stay_what_they_are() -> None:
    # Goldens depend on them.
    assert SeededIds(0).new("run") == "run_9jzbnenaqa"
