"""Any sequence of events, likely or not, built from the event types themselves."""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, inspect

from buddy.journal.events import FORMAT, AnyEvent, Record
from buddy.journal.times import iso

START = 1_795_000_000.0
times = st.integers(0, 100_000).map(lambda second: iso(START + second))
configs = st.sampled_from(
    [
        {},
        {"confidence_threshold_for_live": 0.75, "approval_required_for_high_risk": False},
        {"health_weights": {"success_rate": 1.0}},
        {"health_weights": "no", "confidence_threshold_for_live": "no", "dry_run_only": True},
    ]
)
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "plan": st.sampled_from(["p", "q"]),
    "step": st.sampled_from(["s", "s[0]", "s[1]", "x"]),
    "agent": st.sampled_from(["a", "b"]),
    "tool": st.sampled_from(["t", "u", "nobody"]),
    "name": st.sampled_from(["t", "u"]),
    "approval": st.sampled_from(["ap1", "ap2"]),
    "approval_id": st.sampled_from(["ap1", "ap2"]),
    "supersedes": st.sampled_from([None, "ap1", "ap2"]),
    "rule": st.sampled_from(["", "lock", "approval", "caps", "confidence"]),
    "subject": st.sampled_from(["tool:t", "agent:a", "odd"]),
    "config": configs,
    "format": st.just(FORMAT),
    "started_at": times,
    "requested_at": times,
    "expires_at": times,
    "at": times,
    "example": st.just(UNSET),
    "duration_ms": st.floats(0, 1e6),
    "duration_s": st.floats(0, 1e6),
    "confidence": st.none() | st.floats(0, 1),
    "threshold": st.none() | st.floats(0, 1),
    "conflict_id": st.sampled_from(["c1", "c2", "c3"]),
    "step_count": st.integers(0, 100),
}
results = st.none() | st.booleans() | st.dictionaries(st.text(max_size=3), st.integers(0, 9))
texts = st.sampled_from(["x", 'é\n"', "y" * 40])


SCALARS: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.BoolType: st.booleans(),
    inspect.IntType: st.integers(1, 1_000),
    inspect.FloatType: st.floats(0.5, 1),
    inspect.StrType: texts,
    inspect.NoneType: st.none(),
    inspect.AnyType: st.none() | st.integers(0, 9) | texts,
}


def of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Return any value of a type."""
    match kind:
        case inspect.StructType():
            return struct(kind.cls)
        case inspect.UnionType():
            return st.one_of([of(one) for one in kind.types])
        case inspect.Metadata():
            return of(kind.type)
        case inspect.EnumType() | inspect.LiteralType():
            return st.sampled_from(list(kind.cls if isinstance(kind, inspect.EnumType) else kind.values))
        case inspect.ListType():
            return st.lists(of(kind.item_type), max_size=2)
        case inspect.VarTupleType():
            return st.lists(of(kind.item_type), max_size=2).map(tuple)
        case inspect.DictType():
            return st.dictionaries(of(kind.key_type), of(kind.value_type), max_size=2)
    return SCALARS[type(kind)]


def struct(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Return any record of a class; a field with a default is left out half of the time."""
    wanted, optional = {}, {}
    for field in msgspec.structs.fields(cls):
        if field.name == "result" and field.type is Any:
            value = st.just(UNSET) | results if field.default is UNSET else results
        elif field.name in NAMED:
            value = NAMED[field.name]
        else:
            value = of(inspect.type_info(field.type))
        into = wanted if field.required else optional
        into[field.name] = value
    return st.fixed_dictionaries(wanted, optional=optional).map(lambda values: cls(**values))


EVENTS: tuple[st.SearchStrategy[Any], ...] = tuple(struct(cls) for cls in get_args(AnyEvent))


@st.composite
def journals(draw: st.DrawFn, size: int = 30) -> list[Record]:
    """Return any journal: mostly begun as one should, then anything."""
    events = draw(st.lists(st.one_of(EVENTS), max_size=size))
    if draw(st.integers(0, 9)):
        events.insert(0, draw(EVENTS[0]))
    return [Record(seq, iso(START + seq), event) for seq, event in enumerate(events, 1)]
