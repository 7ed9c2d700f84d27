"""The invented employers: 3 to 10 people a search, the same for the same filters, and nothing real."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.adapters.providers.mployer.simulator.employers import World, fits
from buddy.adapters.providers.mployer.simulator.filters import INDUSTRIES, Filters, parse

WORLD = World(3)
sizes = st.one_of(st.none(), st.integers(1, 50_000))
filters = st.builds(
    Filters,
    min_employees=sizes,
    max_employees=sizes,
    state=st.one_of(st.none(), st.sampled_from(sorted(WORLD.states))),
    city=st.one_of(st.none(), st.sampled_from(["Austin", "El Paso", "Nowhere"])),
    zip=st.one_of(st.none(), st.from_regex(r"[0-9]{5}", fullmatch=True)),
    industry=st.one_of(st.none(), st.sampled_from(INDUSTRIES)),
).filter(lambda one: (one.min_employees or 0) <= (one.max_employees or 10**9))


@settings(max_examples=150, deadline=None)
@given(filters)
def test_a_search_shows_three_to_ten_people_that_fit_and_shows_them_again(asked: Filters) -> None:
    found = WORLD.search(asked)
    assert 3 <= len(found) <= 10
    assert all(fits(employer, asked) for employer, _ in found)
    assert len({person.contact_id for _, person in found}) == len(found)
    assert World(3).search(asked) == found


def test_another_seed_is_another_world() -> None:
    asked = Filters(state="TX")
    assert World(4).search(asked) != WORLD.search(asked)
    assert {employer.ein for employer in World(4).employers} != {one.ein for one in WORLD.employers}


def test_how_many_are_shown_goes_by_the_filters() -> None:
    numbers = {len(WORLD.search(Filters(state=state))) for state in WORLD.states}
    assert numbers == set(range(3, 11))


def test_an_employer_is_found_by_what_names_it_and_nobody_else_is() -> None:
    employer = WORLD.search(Filters(state="OH", industry="Retail"))[0][0]
    for asked in (Filters(ein=employer.ein), Filters(website=employer.website)):
        found = WORLD.search(asked)
        assert {one.employer_id for one, _ in found} == {employer.employer_id}
        assert [person for _, person in found] == list(employer.people)
    assert WORLD.search(Filters(ein="00-0000000")) == []
    assert WORLD.search(Filters(max_employees=0)) == []


def test_an_employer_that_was_made_for_a_search_can_be_looked_up() -> None:
    world = World(5)
    made = world.search(Filters(state="WY", city="Nowhere", min_employees=40_000))[0][0]
    assert world.employer(made.employer_id) == made
    assert {one for one, _ in world.search(Filters(ein=made.ein))} == {made}


def test_nothing_in_it_can_be_somebody() -> None:
    for employer in WORLD.employers:
        assert employer.website.endswith(".example")
        assert employer.ein.startswith("00-")
        for person in employer.people:
            assert person.email.endswith(f"@{employer.website}")
            assert re.fullmatch(r"\+1[0-9]{3}55501[0-9]{2}", person.phone)


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"min_employees": "many"}, "Minimum employees is a whole number."),
        ({"max_employees": "-3"}, "Maximum employees is a whole number."),
        ({"min_employees": "9", "max_employees": "3"}, "larger than maximum"),
        ({"state": "Texxas"}, "State is not one"),
        ({"industry": "Witchcraft"}, "Industry is not one"),
        ({"zip": "787"}, "five digits"),
        ({"ein": "1-2"}, "nine digits"),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(form: dict[str, str], problem: str) -> None:
    _, problems = parse(form, WORLD.states)
    assert len(problems) == 1
    assert problem in problems[0]


def test_filters_are_read_as_people_write_them() -> None:
    read, problems = parse(
        {
            "min_employees": "1,200",
            "state": " texas ",
            "ein": "001234567",
            "website": "https://www.A.example/x",
        },
        WORLD.states,
    )
    assert problems == []
    assert read == Filters(min_employees=1200, state="TX", ein="00-1234567", website="a.example")
