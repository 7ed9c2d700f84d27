import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from buddy.core.violations import lines_of
from buddy.errors import SandboxUnavailable
from buddy.interfaces.cli.main import main
from buddy.model.sandbox import (
    Canary,
    Capabilities,
    CodeError,
    Isolation,
    KilledBy,
    Layer,
    SandboxPolicy,
    SandboxResult,
    Usage,
    Violation,
    ViolationType,
)
from buddy.model.violations import NAME
from buddy.wiring import sandbox

CODE = "import math\nmath.sqrt(n)\n"
SOCKET = Violation(
    type=ViolationType.NETWORK_ACCESS_ATTEMPT,
    details="it tried to open a socket",
    layer=Layer.KERNEL,
    authoritative=True,
    line=2,
    syscall="socket",
    count=3,
)
LATE = Violation(type=ViolationType.TIMEOUT, details="late", layer=Layer.SUPERVISOR, authoritative=True)
ERROR = CodeError(type="NameError", message="name 'n' is not defined", line=2)


class Box:
    """Stands for the sandbox: keeps what it was given, and answers with what it was told to."""

    def __init__(self) -> None:
        self.given: tuple[str, SandboxPolicy, dict[str, Any], dict[str, Any]] | None = None
        self.answer: dict[str, Any] = {}

    def run(self, code: str, policy: SandboxPolicy, inputs: dict[str, Any], **how: Any) -> SandboxResult:
        self.given = (code, policy, inputs, how)
        base: dict[str, Any] = {
            "execution_id": "ex_1",
            "ok": not self.answer.keys() & {"error", "violations", "killed_by"},
            "value": None,
            "stdout": "",
            "error": None,
            "violations": (),
            "usage": Usage(wall_s=0.0123, cpu_s=0.01, memory_mb=9.5, output_bytes=1234),
            "killed_by": None,
            "isolation": Isolation.STANDARD,
        }
        return SandboxResult(**base | self.answer)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Box:
    (folder / "code.py").write_text(CODE)
    made = Box()
    monkeypatch.setattr(sandbox, "run", made.run)
    return made


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["sandbox", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


# what is handed over


def test_the_code_is_run_under_spec_with_standard_isolation_unless_said(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", "run", "code.py"]) == 0
    assert box.given is not None
    code, policy, inputs, how = box.given
    assert (code, policy.name, inputs) == (CODE, "spec", {})
    assert how == {"timeout_s": None, "require": "standard"}


def test_policy_inputs_and_limits_are_handed_over(
    box: Box, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "strict.toml").write_text('imports = ["math"]\n')
    (folder / "in.json").write_text('{"n": 1, "names": ["a"]}')
    words = ["--policy", "strict.toml", "--timeout", "0.5", "--inputs", "in.json"]
    words += ["--input", "n=[2]", "--input", "_own=3"]
    assert main(["sandbox", "run", "code.py", *words, "--require", "full"]) == 0
    assert box.given is not None
    _, policy, inputs, how = box.given
    assert policy.imports == ("math",)
    assert inputs == {"n": [2], "names": ["a"], "_own": 3}
    assert how == {"timeout_s": 0.5, "require": "full"}


def test_code_comes_from_stdin(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf1 + 1")))
    assert main(["sandbox", "run", "-"]) == 0
    assert box.given is not None
    assert box.given[0] == "1 + 1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("none.py", "none.py: expected a file of Python code, found nothing there"),
        (".", ".: expected a file of Python code, found a folder"),
        ("latin.py", "latin.py: expected UTF-8 text, found something else at byte 5"),
        ("empty.py", "empty.py: expected Python code, found nothing"),
        ("large.py", "large.py: expected Python code of at most 262,144 bytes, found more"),
        ("code.py --policy strict", "--policy: expected spec, extended or a TOML file, found 'strict'"),
        ("code.py --policy bad.toml", "bad.toml: cpu_s: expected at least 1, found 0"),
        ("code.py --timeout 0", "--timeout: expected seconds above 0, at most 3,600, found 0"),
        ("code.py --timeout nan", "--timeout: expected seconds above 0, at most 3,600, found nan"),
        ("code.py --input n", "--input: expected NAME=JSON, found 'n'"),
        ("code.py --input n=abc", "--input n: expected JSON, found a syntax error at line 1 column 1"),
        ("code.py --input n=NaN", "--input n: expected JSON, found what is none: NaN is no JSON"),
        ("code.py --input n=1 --input n=2", "--input n: expected each name once, found it twice"),
        ("code.py --input 9=1", "inputs: expected names that code can use, found '9'"),
        ("code.py --input __name__=1", "inputs: expected names that code can use, found '__name__'"),
        ("code.py --input class=1", "inputs: expected names that code can use, found 'class'"),
        ("code.py --inputs list.json", "list.json: expected a JSON object, found another value"),
        ("code.py --inputs none.json", "none.json: expected a file of a JSON object, found nothing there"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    words: str, sentence: str, box: Box, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "latin.py").write_bytes(b"a = '\xe9'")
    (folder / "empty.py").write_text(" \n")
    (folder / "large.py").write_bytes(b"#" * (256 * 1024 + 1))
    (folder / "bad.toml").write_text("cpu_s = 0\n")
    (folder / "list.json").write_text("[]")
    told = refused(capsys, "run", *words.split())
    assert told.startswith(f"buddy: {sentence}")
    assert told.count("\n") == 1
    assert box.given is None


def test_a_machine_without_a_sandbox_runs_nothing_and_says_what_is_missing(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*args: Any, **how: Any) -> SandboxResult:
        raise SandboxUnavailable(["Landlock is off; boot with lsm=landlock"])

    monkeypatch.setattr(sandbox, "run", run)
    told = refused(capsys, "run", "code.py")
    assert "buddy: Landlock is off; boot with lsm=landlock" in told


# what is told


def test_output_and_value_go_to_stdout_and_the_rest_to_stderr(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.answer = {"stdout": "a\x1b[1m\nb", "value": {"big": 2**70}}
    assert main(["sandbox", "run", "code.py"]) == 0
    shown = capsys.readouterr()
    assert shown.out == 'a\x1b[1m\nb\n{"big":1180591620717411303424}\n'
    assert shown.err == ("0.012 s, CPU 0.010 s, 9.5 MB, 1,234 bytes printed; isolation standard; ex_1\n")


def test_the_value_is_json_whatever_is_in_it(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.answer = {"value": "\x7f\x9b\u202e\n"}
    assert main(["sandbox", "run", "code.py"]) == 0
    assert json.loads(capsys.readouterr().out) == box.answer["value"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_steers_a_terminal_and_usage_is_dim(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.answer = {"stdout": "a\x1b[1m\tb\nc", "value": "d\x1b"}
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["sandbox", "run", "code.py"]) == 0
    assert out.getvalue() == 'a\\x1b[1m\tb\nc\n"d\\u001b"\n'
    assert err.getvalue().startswith("\x1b[2m0.012 s")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["sandbox", "run", "code.py"]) == 0
    assert err.getvalue().splitlines()[-1].startswith("0.012 s")


def test_what_ends_without_a_line_feed_gets_one_where_a_person_reads_on(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box.answer = {"stdout": "a"}
    assert main(["sandbox", "run", "code.py"]) == 0
    assert capsys.readouterr().out == "a"
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["sandbox", "run", "code.py"]) == 0
    assert out.getvalue() == "a\n"


def test_somebody_at_a_terminal_is_told_what_is_waited_for(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = io.TextIOWrapper(io.BytesIO(b"1"))
    monkeypatch.setattr(sys, "stdin", typed)
    assert main(["sandbox", "run", "-"]) == 0
    assert "reading" not in capsys.readouterr().err
    typed = io.TextIOWrapper(io.BytesIO(b"1"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    assert main(["sandbox", "run", "-"]) == 0
    assert capsys.readouterr().err.startswith("reading Python code; end it with Ctrl-D")


def test_what_it_tried_and_how_it_failed_stands_with_its_line(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.answer = {"violations": (SOCKET,), "error": ERROR, "forensics": "degraded"}
    assert main(["sandbox", "run", "code.py"]) == 5
    tried, failed, used = capsys.readouterr().err.splitlines()
    assert tried == (
        "NETWORK_ACCESS_ATTEMPT on line 2: it tried to open a socket (system call socket, noticed by the"
        " kernel layer), 3 times | math.sqrt(n)"
    )
    assert failed == "line 2: NameError: name 'n' is not defined | math.sqrt(n)"
    assert "isolation standard, forensics degraded" in used


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, 0),
        ({"error": ERROR}, 1),
        ({"killed_by": KilledBy.CRASH}, 1),
        ({"violations": (SOCKET,)}, 5),
        ({"violations": (SOCKET, LATE), "killed_by": KilledBy.TIMEOUT}, 5),
        ({"killed_by": KilledBy.VIOLATIONS}, 5),
        ({"violations": (LATE,), "killed_by": KilledBy.TIMEOUT}, 6),
        *(({"killed_by": KilledBy(end)}, 6) for end in ("cpu", "memory", "output", "result", "disk")),
    ],
)
def test_the_exit_code_says_what_it_came_to(
    answer: dict[str, Any], code: int, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.answer = answer
    assert main(["sandbox", "run", "code.py"]) == code
    assert main(["sandbox", "run", "code.py", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert document["isolation"] == "standard"


def test_an_end_by_a_limit_is_told(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.answer = {"killed_by": KilledBy.MEMORY}
    assert main(["sandbox", "run", "code.py"]) == 6
    assert "memory: it used more memory than it may" in capsys.readouterr().err


def test_an_end_that_stands_among_the_violations_is_told_once(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.answer = {"violations": (SOCKET, LATE), "killed_by": KilledBy.TIMEOUT}
    assert main(["sandbox", "run", "code.py"]) == 5
    tried, ended, _ = capsys.readouterr().err.splitlines()
    assert tried.startswith("NETWORK_ACCESS_ATTEMPT")
    assert ended == "TIMEOUT: late (noticed by the supervisor layer)"


# the log


def test_status_counts_by_type_and_shows_the_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = folder / "home"
    home.mkdir()
    (home / NAME).write_bytes(lines_of("ex_1", "1", [SOCKET], 5.0) + lines_of("ex_2", "1", [LATE], 9.0))
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "sandbox    3 NETWORK_ACCESS_ATTEMPT, 1 TIMEOUT by 2 executions",
        "           last 1970-01-01T00:00:09 UTC: late (ex_2)",
    ]


def test_status_does_not_take_a_log_that_cannot_be_read_for_an_empty_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "home" / NAME).mkdir(parents=True)
    assert main(["status"]) == 0
    assert "sandbox    no violation; 1 unreadable in the logs" in capsys.readouterr().out


# the doctor


def capabilities(isolation: Isolation | None) -> Capabilities:
    return Capabilities(
        isolation=isolation,
        canaries=(
            Canary(name="network", layer="seccomp", held=True, details="a socket was refused"),
            Canary(name="stat", layer="root", held=False, details="a file outside was seen"),
        ),
        missing=("user namespaces are off; sysctl -w user.max_user_namespaces=15000",),
    )


@pytest.mark.parametrize(
    ("isolation", "words", "code", "told"),
    [
        (Isolation.FULL, ["--require", "full"], 0, "isolation: full; forensics: full"),
        (Isolation.STANDARD, [], 0, "isolation: standard; forensics: full"),
        (Isolation.STANDARD, ["--require", "full"], 1, "isolation: standard; forensics: full"),
        (None, [], 1, "isolation: none; no code is run here"),
    ],
)
def test_the_doctor_tells_what_holds_and_what_would_change_it(
    isolation: Isolation | None,
    words: list[str],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox, "capabilities", lambda: capabilities(isolation))
    assert main(["sandbox", "doctor", *words]) == code
    shown = capsys.readouterr().out
    assert "network  seccomp  held      a socket was refused" in shown
    assert "stat     root     NOT HELD  a file outside was seen" in shown
    assert told in shown
    assert "sysctl -w user.max_user_namespaces" in shown
    assert main(["sandbox", "doctor", *words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["enough"] is (code == 0)
    assert [one["held"] for one in document["capabilities"]["canaries"]] == [True, False]
