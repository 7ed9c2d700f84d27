from pathlib import Path

import pytest

from buddy.adapters.inputs.sandbox_policies import policy_of
from buddy.errors import BadInput
from buddy.model.sandbox import POLICIES, SPEC_IMPORTS, SandboxPolicy, Scratch


def refused(path: Path) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        policy_of(str(path), "--policy")
    return tuple(one.replace(str(path), "FILE") for one in caught.value.problems)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_has_a_name(name: str) -> None:
    assert policy_of(name, "--policy") is POLICIES[name]


def test_a_file_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "numbers.toml"
    path.write_text('imports = ["math", "collections.abc"]\ntimeout_s = 2\nscratch = { size_mb = 4 }\n')
    assert policy_of(str(path), "--policy") == SandboxPolicy(
        name="numbers", imports=("math", "collections.abc"), timeout_s=2.0, scratch=Scratch(size_mb=4)
    )


def test_an_empty_file_is_the_default_policy(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("")
    assert policy_of(str(path), "--policy").imports == SPEC_IMPORTS


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        'imports = ["math", "not a module", "class"]\nmemory_mb = 0\ntimeout = 3\ntimeout_s = 2020-01-01\n'
        "[scratch]\nsize = 3\n"
    )
    told = "\n".join(refused(path))
    for part in (
        "FILE: imports[1]: expected the name of a module, found 'not a module'",
        "FILE: imports[2]: expected the name of a module, found 'class'",
        "memory_mb: expected at least 4, found 0",
        "found 'timeout'",
        "timeout_s: expected number, found '2020-01-01'",
        "scratch: expected no unknown keys, found 'size'",
    ):
        assert part in told, told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff", "FILE: expected UTF-8 text, found something else at byte 0"),
        (b"imports = [", "FILE: expected TOML, found a syntax error"),
        (b"cpu_s = 2.0", "FILE: cpu_s: expected `int`, found `float`"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    assert refused(path)[0].startswith(sentence)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    assert refused(tmp_path / "folder.toml") == ("FILE: expected a policy in TOML, found a folder",)
    assert refused(tmp_path / "none.toml") == ("FILE: expected a policy in TOML, found nothing there",)
    [told] = refused(tmp_path / ("x" * 300 + ".toml"))
    assert "expected a policy that can be read" in told
    with pytest.raises(BadInput, match="--policy: expected spec, extended or a TOML file, found 'strict'"):
        policy_of("strict", "--policy")
    with pytest.raises(BadInput, match="cannot"):
        policy_of("a\0.toml", "--policy")
