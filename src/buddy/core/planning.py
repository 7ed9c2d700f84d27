"""From what a file says to a plan: ids resolved, references checked, every problem found and named."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from buddy.core import references
from buddy.core.canonical import is_pointer
from buddy.errors import BadInput
from buddy.model.plan import Plan, PlanDocument, Reference, Step, StepDocument

MAX_PROBLEMS = 100
MAX_STRING = 1_000_000
MAX_DEPTH = 100
_FORBIDDEN = frozenset("[]#")
_EMPTY = StepDocument()


def shown(value: object, limit: int = 60) -> str:
    """Return a value for an error sentence, on one line and cut short."""
    # What is cut off anyway is not spelled out first: it may be a hundred megabytes.
    text = repr(value[:limit] if isinstance(value, str) else value)
    whole = len(text) <= limit and not (isinstance(value, str) and len(value) > limit)
    return text if whole else f"{text[: limit - 3]}..."


def named(name: str) -> str:
    """Return an id as part of a path in an error sentence: as it is, where that is short and printable."""
    return name if len(name) <= 60 and name.isprintable() else shown(name)


def bad_input(place: str, problems: Iterator[str]) -> BadInput:
    """Return the error of one place with the first `MAX_PROBLEMS` problems and how many more there are."""
    listed = [f"{place}: {problem}" for problem in islice(problems, MAX_PROBLEMS)]
    return BadInput(listed, sum(1 for _ in problems))


def plan_of(document: PlanDocument, place: str, default_id: str) -> Plan:
    """Resolve a plan document.

    Args:
        document: as read.
        place: where it comes from, `plans.jsonl line 3`, for the errors.
        default_id: the plan's name where it has none.

    Raises:
        BadInput: with every problem of the plan; the first `MAX_PROBLEMS` are listed.
    """
    deep = {name for name, entry in document.steps.items() if is_deep(entry.args) or is_deep(entry.meta)}
    wrong = _document_problems(document, deep)
    # Before the steps are made, so that what it takes to look is not held beside them.
    first = next(wrong, None)
    assigned = _assigned(document)
    unassigned: list[str] = []
    steps = [
        _step(document, call, _agent(document, call, assigned, unassigned), follow=call.name not in deep)
        for call in _declared(document)
    ]
    problems = chain(() if first is None else (first,), wrong, unassigned, _graph_problems(steps))
    first = next(problems, None)
    if first is not None:
        raise bad_input(place, chain((first,), problems))
    return Plan(
        plan_id=document.plan_id or document.phase21_plan_id or default_id,
        steps=tuple(steps),
        chain=document.order == "strict" and not any(step.depends_on for step in steps),
        agents=document.agents,
        on_failure=document.on_failure,
        validation_results=document.validation_results,
        meta=document.meta,
    )


def checked(plan: Plan, place: str) -> Plan:
    """Return a plan that was made in Python, where it could have come out of `plan_of`.

    Raises:
        BadInput: with every problem of the plan; the first `MAX_PROBLEMS` are listed.
    """
    problems = _plan_problems(plan)
    first = next(problems, None)
    if first is not None:
        raise bad_input(place, chain((first,), problems))
    return plan


def _plan_problems(plan: Plan) -> Iterator[str]:
    if not plan.plan_id or not _is_id(plan.plan_id):
        yield f"plan_id: {_NO_ID}, found {shown(plan.plan_id)}"
    if is_deep(plan.meta):
        yield f"meta: {TOO_DEEP}"
    for step_id, count in _repeated(step.step_id for step in plan.steps):
        yield f"steps: expected each id once, found {shown(step_id)} {count} times"
    for step in plan.steps:
        name = named(step.step_id)
        if step.confidence is not None and not 0 <= step.confidence <= 1:
            yield f"steps.{name}.confidence: expected a number from 0 to 1, found {step.confidence:g}"
        if is_deep(step.args):
            yield f"steps.{name}.args: {TOO_DEEP}"
            continue
        yield from _args_problems(name, step.args, step.for_each)
        for source in _sources(step.args, step.for_each):
            if source not in step.depends_on:
                found = f"no {shown(source)}"
                yield f"steps.{name}.depends_on: expected every step that it takes data from, found {found}"
    yield from _graph_problems(plan.steps)


def call_problems(name: str, args: dict[str, Any], group: str | None = None) -> Iterator[str]:
    """Yield what is wrong with the ids and the arguments of a call that is read on its own."""
    for one in dict.fromkeys(filter(None, (name, group))):
        if not _is_id(one):
            yield f"id {shown(one)}: {_NO_ID}"
    if is_deep(args):
        yield f"args: {TOO_DEEP}"
    else:
        yield from _args_problems(named(name), args, None)


TOO_DEEP = f"expected at most {MAX_DEPTH} nested levels, found more"


def is_deep(value: dict[str, Any]) -> bool:
    """Whether a JSON value has so many levels that who walks it could run out of stack."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for entry in level
            for item in (entry.values() if isinstance(entry, dict) else entry)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _sources(args: dict[str, Any], for_each: Reference | None) -> tuple[str, ...]:
    sources = references.sources(args) if args else ()
    return sources if for_each is None else (for_each.source, *sources)


class _Call(NamedTuple):
    """A call as a document declares it: the k-th of a bare name has the id `name#k`."""

    call_id: str
    name: str
    occurrence: int


def _step(document: PlanDocument, call: _Call, agent: str, *, follow: bool) -> Step:
    name = call.name
    entry = document.steps.get(name, _EMPTY)
    sources = _sources(entry.args, entry.for_each) if follow else ()
    return Step(
        step_id=call.call_id,
        tool=entry.tool or name,
        agent=agent,
        args=entry.args,
        confidence=document.confidence_scores.get(name, entry.confidence),
        depends_on=tuple(dict.fromkeys((*entry.depends_on, *sources))) if sources or entry.depends_on else (),
        claims=entry.claims,
        group=entry.group,
        repeat=entry.repeat,
        estimated_duration_s=entry.estimated_duration_s,
        for_each=entry.for_each,
        max_items=entry.max_items,
    )


def _declared(document: PlanDocument) -> Iterator[_Call]:
    """Yield every call in order; a bare name is called as often as it is listed or assigned."""
    order = document.execution_order if document.execution_order is not None else tuple(document.steps)
    listed = Counter(name for name in order if name not in document.steps)
    assigned = Counter(
        name for names in document.agent_assignments.values() for name in names if name in listed
    )
    seen: Counter[str] = Counter()
    for name in order:
        if name in document.steps:
            yield _Call(name, name, 1)
            continue
        seen[name] += 1
        last = assigned[name] if seen[name] == listed[name] else 0
        for occurrence in range(seen[name], max(seen[name], last) + 1):
            yield _Call(name if occurrence == 1 else f"{name}#{occurrence}", name, occurrence)


_Assigned = dict[str, tuple[str, ...] | list[str]]
"""Name -> the agents of its calls; most names have one, and share it with all that are its agent's."""


def _assigned(document: PlanDocument) -> _Assigned:
    assigned: _Assigned = {}
    for agent, names in document.agent_assignments.items():
        alone = (agent,)
        for name in names:
            known = assigned.get(name)
            if known is None:
                assigned[name] = alone
            elif isinstance(known, list):
                known.append(agent)
            else:
                assigned[name] = [*known, agent]
    return assigned


def _agent(document: PlanDocument, call: _Call, assigned: _Assigned, problems: list[str]) -> str:
    """Return who makes a call, and note where the document does not say it, or says two things."""
    entry = document.steps.get(call.name)
    candidates = assigned.get(call.name, ())
    if entry is not None and entry.agent is not None:
        # That a step with an entry has several agents is a problem of its own, told of once.
        if candidates and candidates[0] != entry.agent:
            problems.append(
                f"steps.{named(call.name)}.agent: expected the agent of agent_assignments,"
                f" {shown(candidates[0])}, found {shown(entry.agent)}"
            )
        return entry.agent
    if candidates:
        return candidates[min(call.occurrence, len(candidates)) - 1]
    problems.append(f"step {shown(call.name)}: expected an agent in agent_assignments, found none")
    return ""


def _document_problems(document: PlanDocument, deep: set[str]) -> Iterator[str]:
    one, other = document.plan_id, document.phase21_plan_id
    if one and other and one != other:
        yield f"phase21_plan_id: expected the plan_id {shown(one)}, found {shown(other)}"
    if is_deep(document.meta):
        yield f"meta: {TOO_DEEP}"
    yield from _id_problems(document)
    yield from _order_problems(document)
    for name, entry in document.steps.items():
        score = document.confidence_scores.get(name)
        if score is not None and entry.confidence is not None and score != entry.confidence:
            yield (
                f"steps.{named(name)}.confidence: expected the value of confidence_scores, {score:g},"
                f" found {entry.confidence:g}"
            )
        if name in deep:
            yield f"steps.{named(name)}: {TOO_DEEP}"
        else:
            yield from _args_problems(named(name), entry.args, entry.for_each)


def _order_problems(document: PlanDocument) -> Iterator[str]:
    order = document.execution_order
    known = set(order) if order is not None else set(document.steps)
    if order is not None:
        for name, count in _repeated(order):
            if name in document.steps:
                yield f"execution_order: step {shown(name)} is listed {count} times, expected once"
        for name in document.steps:
            if name not in known:
                yield f"steps.{named(name)}: expected its id in execution_order, which does not list it"
    yield from _assignment_problems(document, known)
    for table, entries in (
        ("confidence_scores", document.confidence_scores),
        ("validation_results", document.validation_results),
    ):
        for name in entries:
            if name not in known:
                yield f"{table}: expected ids of steps, found unknown {shown(name)}"


def _assignment_problems(document: PlanDocument, known: set[str]) -> Iterator[str]:
    for agent, names in document.agent_assignments.items():
        for name in names:
            if name not in known:
                yield f"agent_assignments.{named(agent)}: expected ids of steps, found unknown {shown(name)}"
    for name, count in _repeated(chain.from_iterable(document.agent_assignments.values())):
        if name in document.steps:
            yield f"agent_assignments: step {shown(name)} is assigned {count} times, expected once"


def _repeated(names: Iterable[str]) -> Iterable[tuple[str, int]]:
    """Return the names that are there more than once, and how often."""
    seen: set[str] = set()
    more: Counter[str] = Counter()
    for name in names:
        if name in seen:
            more[name] += 1
        seen.add(name)
    return ((name, count + 1) for name, count in more.items())


def _ids(document: PlanDocument) -> Iterator[str]:
    yield from filter(None, (document.plan_id, document.phase21_plan_id))
    yield from chain(document.steps, document.execution_order or (), document.confidence_scores)
    yield from chain(document.agents, document.validation_results)
    for agent, names in document.agent_assignments.items():
        yield agent
        yield from names
    for entry in document.steps.values():
        yield from entry.depends_on
        yield from filter(None, (entry.agent, entry.group, entry.for_each and entry.for_each.source))


_NO_ID = "expected an id without '[', ']', '#', control or invisible characters"


def _is_id(name: str) -> bool:
    return _FORBIDDEN.isdisjoint(name) and name.isprintable()


def _id_problems(document: PlanDocument) -> Iterator[str]:
    for name in dict.fromkeys(_ids(document)):
        if not _is_id(name):
            yield f"id {shown(name)}: {_NO_ID}"


def _args_problems(name: str, args: dict[str, Any], for_each: Reference | None) -> Iterator[str]:
    for place, reference in references.find(args) if args else ():
        where = f"steps.{name}.args{named(place.replace('/', '.'))}"
        if "$item" in reference and for_each is None:
            yield f"{where}: expected 'for_each' on a step that uses $item, found none"
        for key, value in reference.items():
            if not isinstance(value, str):
                yield f"{where}.{key}: expected a string, found {shown(value)}"
            elif key != "$from" and not is_pointer(value):
                found = shown(value)
                yield f"{where}.{key}: expected a JSON Pointer such as '/contacts/0/email', found {found}"
    if for_each is not None and not is_pointer(for_each.path):
        yield f"steps.{name}.for_each.path: expected a JSON Pointer, found {shown(for_each.path)}"
    for place, text in _long_strings(args, ""):
        yield f"steps.{name}.args{place}: expected at most {MAX_STRING:,} characters, found {len(text):,}"


def _long_strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _long_strings(item, f"{place}.{named(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _long_strings(item, f"{place}[{index}]")


def _graph_problems(steps: Iterable[Step]) -> Iterator[str]:
    known = {step.step_id for step in steps}
    broken = False
    for step in steps:
        for source in step.depends_on:
            if source not in known:
                broken = True
                yield (
                    f"step {shown(step.step_id)}: expected to depend on or take data from known steps,"
                    f" found {shown(source)}, which does not exist"
                )
    if not broken:
        cycle = find_cycle({step.step_id: step.depends_on for step in steps if step.depends_on})
        if cycle:
            yield f"steps: expected no cycle of dependencies, found {' -> '.join(cycle)}"


def find_cycle(edges: dict[str, tuple[str, ...]]) -> list[str]:
    """Return one cycle of a graph (first node repeated at the end), or an empty list.

    Args:
        edges: node -> nodes that it points to.
    """
    done: set[str] = set()
    for root in edges:
        if root in done:
            continue
        on_path: dict[str, None] = {}
        stack: list[tuple[str, Iterator[str]]] = [(root, iter(edges[root]))]
        on_path[root] = None
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                on_path.pop(node)
                done.add(node)
            elif target in on_path:
                path = list(on_path)
                return [*path[path.index(target) :], target]
            elif target not in done:
                on_path[target] = None
                stack.append((target, iter(edges.get(target, ()))))
    return []
