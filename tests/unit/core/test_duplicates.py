from hypothesis import given
from hypothesis import strategies as st

from buddy.core.duplicates import ActionIndex

ACTIONS = {"a": ("x",), "b": ("x", "y"), "c": ("y",), "d": ()}


def test_an_action_is_found_until_another_writes_the_same() -> None:
    index: ActionIndex[int] = ActionIndex()
    assert index.find("a", ("x",)) is None
    index.add("a", ("x",), 1)
    index.add("c", ("y",), 2)
    assert index.find("a", ("x",)) == 1
    index.add("b", ("x", "y"), 3)
    assert index.find("a", ("x",)) is None


def test_with_no_resources_nothing_comes_in_between() -> None:
    index: ActionIndex[int] = ActionIndex()
    index.add("d", (), 1)
    index.add("b", ("x",), 2)
    assert index.find("d", ()) == 1


def test_what_was_undone_does_not_count_as_in_between() -> None:
    index: ActionIndex[int] = ActionIndex()
    index.add("a", ("x",), 1)
    index.add("b", ("x",), 2)
    index.free("b")
    assert index.find("a", ("x",)) == 1


def test_freeing_what_was_never_taken_changes_nothing() -> None:
    index: ActionIndex[int] = ActionIndex()
    index.free("a")
    index.add("a", (), 1)
    index.free("b")
    assert index.find("a", ()) == 1


def test_a_resource_may_be_named_twice() -> None:
    index: ActionIndex[int] = ActionIndex()
    index.add("a", ("x", "x"), 1)
    index.add("b", ("x", "x"), 2)
    index.free("b")
    assert index.find("a", ("x",)) == 1
    index.free("a")
    assert index.find("a", ("x",)) is None


@given(st.lists(st.tuples(st.sampled_from(["add", "free"]), st.sampled_from("abcd")), max_size=20))
def test_the_index_agrees_with_a_list_of_what_stands(moves: list[tuple[str, str]]) -> None:
    index: ActionIndex[int] = ActionIndex()
    standing: list[tuple[str, int]] = []
    for number, (move, digest) in enumerate(moves):
        if move == "add":
            index.add(digest, ACTIONS[digest], number)
            standing.append((digest, number))
        else:
            index.free(digest)
            last = next((entry for entry in reversed(standing) if entry[0] == digest), None)
            if last is not None:
                standing.remove(last)
        for wanted, resources in ACTIONS.items():
            places = [place for place, (name, _) in enumerate(standing) if name == wanted]
            expected = standing[places[-1]][1] if places else None
            if places and any(set(resources) & set(ACTIONS[name]) for name, _ in standing[places[-1] + 1 :]):
                expected = None
            assert index.find(wanted, resources) == expected
