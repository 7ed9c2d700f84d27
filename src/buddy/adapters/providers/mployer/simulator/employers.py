"""A world of invented employers and the people to talk to there, the same for the same seed.

Nothing in it exists: the names are made up, web sites and mail addresses end in `.example`, telephone numbers
are of the range kept for fiction, and no tax authority gives out an EIN that begins with 00.
"""

import csv
import hashlib
import random
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from buddy.adapters.providers.mployer.simulator.filters import INDUSTRIES, Filters

FEWEST, MOST = 3, 10
"""People that one search shows."""
EACH = 20
"""Employers in each city."""

_WORDS = Path(__file__).with_name("words.json")
_TITLES = ("HR Director", "Chief Financial Officer", "Benefits Manager")


class Person(Struct, frozen=True, kw_only=True):
    """Somebody to talk to.

    Attributes:
        contact_id: unique in the world.
    """

    contact_id: str
    first_name: str
    last_name: str
    title: str
    email: str
    phone: str


class Employer(Struct, frozen=True, kw_only=True):
    """One employer, with the same fields that `Filters` narrow."""

    employer_id: str
    name: str
    industry: str
    employees: int
    city: str
    state: str
    zip: str
    ein: str
    website: str
    people: tuple[Person, ...]


class Words(Struct, frozen=True, kw_only=True):
    """What names are made of.

    Attributes:
        first, second: halves of an employer's first word.
        kinds: industry -> its second word.
        given, family: of people.
    """

    first: list[str]
    second: list[str]
    kinds: dict[str, list[str]]
    given: list[str]
    family: list[str]


class Place(Struct, frozen=True, kw_only=True):
    """A city with one of its ZIP codes."""

    state: str
    name: str
    city: str
    zip: str


def places() -> list[Place]:
    """Read the cities of the world."""
    with Path(__file__).with_name("places.csv").open(encoding="utf-8", newline="") as file:
        return [Place(**row) for row in csv.DictReader(file)]


class World:
    """Employers by seed.

    Args:
        seed: another seed is another world.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.places = places()
        self._words = msgspec.json.decode(_WORDS.read_bytes(), type=Words)
        self.states = {place.state: place.name for place in self.places}
        self._made: dict[str, Employer] = {}

    @cached_property
    def employers(self) -> list[Employer]:
        """Those that are in the world whatever is asked, in an order without a meaning."""
        return _standing(self._seed)

    def search(self, filters: Filters) -> list[tuple[Employer, Person]]:
        """Return 3 to 10 people, the same for the same filters.

        None where the filters name an employer that is not there, or ask for one with nobody employed.

        Where nobody fits the filters, an employer is made that does: a rehearsal asks for what its own
        portal has.
        """
        fitting = [employer for employer in self.employers if fits(employer, filters)]
        if not fitting and filters.names_one:
            fitting = [employer for employer in self._made.values() if fits(employer, filters)]
        elif not fitting:
            made = self.make(random.Random(f"made {self._seed} {_canonical(filters)}"), filters)
            self._made[made.employer_id] = made
            fitting = [made] if fits(made, filters) else []
        most = FEWEST + self.number(_canonical(filters)) % (MOST - FEWEST + 1)
        return list(_in_turns(fitting))[:most]

    def employer(self, employer_id: str) -> Employer | None:
        """Return one employer that a search has shown or could show."""
        made = self._made.get(employer_id)
        return made or next((one for one in self.employers if one.employer_id == employer_id), None)

    def number(self, text: str) -> int:
        """Return a number that goes by the seed and a text."""
        return int.from_bytes(hashlib.sha256(f"{self._seed} {text}".encode()).digest()[:8])

    def make(self, dice: random.Random, filters: Filters) -> Employer:
        """Make an employer that fits filters, as far as they are given."""
        near = [
            place
            for place in self.places
            if filters.state in (None, place.state)
            and (filters.city or place.city).casefold() == place.city.casefold()
            and filters.zip in (None, place.zip)
        ]
        words = self._words
        here = [place for place in self.places if filters.state in (None, place.state)]
        place = dice.choice(near or here)
        high = filters.max_employees
        low = max(1, min(5, high or 5) if filters.min_employees is None else filters.min_employees)
        high = max(low, low * 400 if high is None else high)
        industry = filters.industry or dice.choice(INDUSTRIES)
        # Of five draws the smallest but one, by ratio: most employers are small.
        size = sorted(dice.uniform(0, 1) for _ in range(5))[1]
        name = " ".join(
            (dice.choice(words.first) + dice.choice(words.second), dice.choice(words.kinds[industry]))
        )
        number = dice.randrange(10**7)
        host = f"{name.casefold().replace(' ', '-')}-{number % 1000:03d}.example"
        return Employer(
            employer_id=f"e{number:07d}",
            name=name,
            industry=industry,
            employees=min(high, round(low * (high / low) ** size)),
            city=filters.city or place.city,
            state=place.state,
            zip=filters.zip or place.zip,
            ein=f"00-{number:07d}",
            website=host,
            people=_people(dice, words, number, host),
        )


@lru_cache(maxsize=4)
def _standing(seed: int) -> list[Employer]:
    """Return the employers of a world, which takes a moment to make."""
    world, dice = World(seed), random.Random(f"employers {seed}")
    made = [
        world.make(dice, Filters(state=place.state, city=place.city, zip=place.zip))
        for place in world.places
        for _ in range(EACH)
    ]
    return sorted(made, key=lambda employer: world.number(employer.employer_id))


def fits(employer: Employer, filters: Filters) -> bool:
    """Whether an employer is what the filters ask for."""
    return (
        (filters.min_employees is None or employer.employees >= filters.min_employees)
        and (filters.max_employees is None or employer.employees <= filters.max_employees)
        and filters.state in (None, employer.state)
        and (filters.city or employer.city).casefold() == employer.city.casefold()
        and filters.zip in (None, employer.zip)
        and filters.industry in (None, employer.industry)
        and filters.ein in (None, employer.ein)
        and filters.website in (None, employer.website)
    )


def _people(dice: random.Random, words: Words, number: int, host: str) -> tuple[Person, ...]:
    area = dice.randrange(201, 990)
    given, titles = dice.sample(words.given, len(_TITLES)), dice.sample(_TITLES, len(_TITLES))
    line = dice.randrange(100 - len(_TITLES))
    return tuple(
        Person(
            contact_id=f"c{number:07d}{place}",
            first_name=first,
            last_name=(last := dice.choice(words.family)),
            title=title,
            email=f"{first}.{last}@{host}".casefold(),
            phone=f"+1{area}55501{line + place:02d}",
        )
        for place, (first, title) in enumerate(zip(given, titles, strict=True))
    )


def _in_turns(employers: list[Employer]) -> Iterator[tuple[Employer, Person]]:
    """Yield the first person of every employer, then the second of every one."""
    for turn in range(len(_TITLES)):
        for employer in employers:
            yield employer, employer.people[turn]


def _canonical(filters: Filters) -> str:
    return msgspec.json.encode(filters, order="sorted").decode().casefold()
