"""The command line in processes of its own, from a held run to its story."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("buddy.wiring")

TOOLS = '''
from pathlib import Path
from buddy import Change, Preview, Restored, Risk, tool

@tool(risk=Risk.LOW, effect="read", resources=["note:{name}"])
def look(name: str) -> dict:
    """Read a note."""
    path = Path(name)
    return {"name": name, "text": path.read_text() if path.exists() else ""}

@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions={"notes"}, resources=["note:{name}"])
def put(name: str, text: str) -> dict:
    """Write a note."""
    path = Path(name)
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    return {"before": before}

@put.preview
def _(name: str, text: str) -> Preview:
    path = Path(name)
    before = path.read_text() if path.exists() else None
    return Preview(changes=[Change(f"note:{name}", before, text)], result={"before": before})

@put.undo
def _(call, result) -> Restored:
    path = Path(call.args["name"])
    path.unlink() if result["before"] is None else path.write_text(result["before"])
    return Restored(verified=True)

@tool(risk=Risk.HIGH, effect="write", undo="none", permissions={"notes"}, resources=["note:{name}"])
def publish(name: str) -> dict:
    """Publish a note for good."""
    Path(f"{name}.published").write_text("published")
    return {"published": name}

@publish.preview
def _(name: str) -> Preview:
    return Preview(changes=[Change(f"public:{name}", None, "published")])
'''

PLAN = {
    "plan_id": "note/one",
    "agent_assignments": {"writer": ["put", "publish"]},
    "confidence_scores": {"put": 0.9, "publish": 0.95},
    "steps": {
        "put": {"args": {"name": "n.txt", "text": "hello"}},
        "publish": {"args": {"name": "n.txt"}, "depends_on": ["put"]},
    },
}


class Desk:
    """A folder with a plan, tools and a home, and `buddy` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools.py").write_text(TOOLS)
        (folder / "plan.json").write_text(json.dumps(PLAN))
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
        self.env |= {"BUDDY_HOME": str(folder / "home"), "LOGNAME": "ada"}
        self.env.pop("DRY_RUN", None)

    def buddy(self, *words: str, code: int = 0, given: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "buddy", *words],
            cwd=self.folder, env=self.env, input=given, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def says(self, *words: str, code: int = 0) -> str:
        return self.buddy(*words, code=code).stdout

    def document(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.says(*words, "--json", code=code))

    def live(self, *more: str, code: int) -> Any:
        return self.document("run", "plan.json", "--tools", "tools.py", "--mode", "live", *more, code=code)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_from_a_held_run_to_its_story_and_back(desk: Desk) -> None:
    held = desk.live("--out", "out", code=3)
    run = held["run_id"]
    assert held["summary"]["steps"]["by_status"]["HELD"] == 1
    assert (desk.folder / "n.txt").read_text() == "hello"
    assert not (desk.folder / "n.txt.published").exists()

    [asked] = desk.document("approvals", "list", "--run", run)
    approval = asked["request"]["approval_id"]
    assert "+ published" in desk.says("approvals", "show", approval)
    desk.says("approvals", "approve", approval, "--reason", "looks right")
    assert "SUCCEEDED 2" in desk.says("resume", run, "--tools", "tools.py")
    assert (desk.folder / "n.txt.published").exists()

    story = desk.document("explain", run, "note/one/publish")
    assert story["status"] == "SUCCEEDED"
    told = "\n".join(story["sentences"])
    assert "granted by ada: looks right" in told
    assert "was called for real" in told
    assert desk.says("explain", run, "publish").splitlines()[1:] == story["sentences"]

    assert "all is as it should be" in desk.says("verify", run)
    rolled = desk.document("rollback", run, "--tools", "tools.py", "--step", "put", code=1)
    assert rolled["summary"]["rollbacks"]["by_result"]["RESTORED_EXACT"] == 1
    assert not (desk.folder / "n.txt").exists()
    shown = desk.document("runs", "show", run)
    assert [(it["step"], it["status"]) for it in shown["open_steps"]] == [("put", "ROLLED_BACK")]
    assert desk.document("verify", run)["violations"] == []


def test_outputs_are_rebuilt_to_the_same_bytes_and_damage_is_found(desk: Desk) -> None:
    desk.live("--out", "out", code=3)
    folder = desk.folder / "out"
    names = desk.document("outputs", "out")["files"]
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).write_bytes(b"x")
    assert "output_differs" in desk.says("verify", "out", code=1)
    desk.says("outputs", "out")
    assert {name: (folder / name).read_bytes() for name in names} == before
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"hello", b"hallo", 1))
    assert desk.document("verify", "out", code=1)["violations"][0]["rule"] == "chain_broken"


def test_a_lock_holds_everything_at_mock(desk: Desk) -> None:
    desk.says("lock", "--reason", "fire drill")
    held = desk.says("run", "plan.json", "--tools", "tools.py", "--mode", "live", code=3)
    assert "by lock: `buddy unlock` opens the system, then `buddy resume" in held
    assert not (desk.folder / "n.txt").exists()


def test_check_runs_nothing_and_says_what_stops_a_step(desk: Desk) -> None:
    words = ("check", "plan.json", "--tools", "tools.py", "--mode", "live")
    rows = desk.document(*words)
    assert (rows["plans"], rows["count"], rows["conflicts"]) == (1, 2, [])
    assert {row["step"]: row["rule"] for row in rows["steps"]} == {"put": "", "publish": "approval"}
    table = desk.says(*words, "--limit", "1")
    assert "... and 1 step more" in table
    assert "nothing was run" in table
    assert not list(desk.folder.glob("runs"))
    assert not (desk.folder / "n.txt").exists()


def test_a_plan_from_stdin_runs_in_mock(desk: Desk) -> None:
    done = desk.buddy(
        "run", "-", given=json.dumps({"execution_order": ["a"], "agent_assignments": {"x": ["a"]}})
    )
    assert "SUCCEEDED 1" in done.stdout
    assert desk.document("runs", "list")[0]["mode"] == "MOCK"


@pytest.mark.parametrize(
    ("seconds", "more", "code"), [("0.01", (), 0), ("0.01", ("--tools", "gone.py"), 2), ('"x"', (), 2)]
)
def test_a_note_about_the_clock_comes_only_with_a_run(
    desk: Desk, seconds: str, more: tuple[str, ...], code: int
) -> None:
    (desk.folder / "week").mkdir()
    task = f'{{"task_id": "report", "predicted_success_rate": 1, "estimated_duration_s": {seconds}}}'
    (desk.folder / "week/predicted_tasks.jsonl").write_text(task)
    told = desk.buddy("run", "week", *more, code=code).stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("note: simulated tasks" if code == 0 else "buddy: ")


def test_the_hint_at_a_resume_has_the_tools_that_were_given(desk: Desk) -> None:
    bare = desk.says("run", "plan.json", "--mode", "live", "--out", "out", code=3)
    run = desk.document("runs", "list")[0]["run_id"]
    assert f"`buddy resume {run}` goes on, with a file that has the tool" in bare
    (desk.folder / "tools.py").rename(desk.folder / "my tools.py")
    asked = desk.says("run", "plan.json", "--tools", "my tools.py", "--mode", "live", code=3)
    assert (
        f"`buddy resume {desk.document('runs', 'list')[0]['run_id']} --tools 'my tools.py'` goes on" in asked
    )


def test_a_denial_ends_the_step(desk: Desk) -> None:
    run = desk.live(code=3)["run_id"]
    [asked] = desk.document("approvals", "list")
    desk.says("approvals", "deny", asked["request"]["approval_id"], "--reason", "not today")
    desk.says("resume", run, "--tools", "tools.py", code=1)
    assert "not today" in desk.says("explain", run, "publish")


def test_cancel_gives_up_what_is_held(desk: Desk) -> None:
    run = desk.live(code=3)["run_id"]
    assert desk.document("cancel", run, code=1)["summary"]["steps"]["by_status"]["HELD"] == 0


def test_an_interrupted_run_says_how_to_go_on_and_does(desk: Desk) -> None:
    (desk.folder / "slow.py").write_text(
        "import asyncio\n"
        "from pathlib import Path\n"
        "from buddy import tool, Risk\n"
        "@tool(risk=Risk.LOW, effect='read')\n"
        "async def slow() -> dict:\n"
        "    Path('begun').touch()\n"
        "    await asyncio.sleep(0 if Path('go').exists() else 30)\n"
        "    return {}\n"
    )
    plan = {
        "execution_order": ["slow"],
        "agent_assignments": {"x": ["slow"]},
        "confidence_scores": {"slow": 1},
    }
    (desk.folder / "slow.json").write_text(json.dumps(plan))
    words = ("run", "slow.json", "--tools", "slow.py", "--mode", "live", "--out", "out")
    with subprocess.Popen(
        [sys.executable, "-m", "buddy", *words],
        cwd=desk.folder, env=desk.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not (desk.folder / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("buddy: interrupted by SIGINT; `buddy resume out --tools slow.py` goes on\n")
    assert "Traceback" not in err
    (desk.folder / "go").touch()
    assert "SUCCEEDED 1" in desk.says("resume", "out", "--tools", "slow.py")


class Terminal:
    """`buddy run` at a terminal, up to the question that it asks there."""

    def __init__(self, desk: Desk) -> None:
        self.ours, theirs = pty.openpty()
        words = ("run", "plan.json", "--tools", "tools.py", "--mode", "live", "--out", "out")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "buddy", *words],
            cwd=desk.folder, env=desk.env, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        self.seen = b""

    def __enter__(self) -> "Terminal":
        self.read(b"[s]kip?")
        return self

    def __exit__(self, *problem: object) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.ours)

    def read(self, text: bytes) -> None:
        """Read the screen up to a text."""
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 4096)


def test_a_terminal_is_asked(desk: Desk) -> None:
    with Terminal(desk) as terminal:
        os.write(terminal.ours, b"y\n")
        out, _ = terminal.process.communicate(timeout=30)
        assert b"public:n.txt" in terminal.seen
        assert terminal.process.returncode == 0, out
    assert b"SUCCEEDED 2" in out
    assert (desk.folder / "n.txt.published").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question_stops_the_run_and_decides_nothing(
    desk: Desk, number: signal.Signals
) -> None:
    with Terminal(desk) as terminal:
        terminal.process.send_signal(number)
        terminal.read(b"`buddy resume out --tools tools.py` goes on")
        assert terminal.process.wait(20) == 130
    assert b"[s]kip? \r\n" in terminal.seen
    assert b"Traceback" not in terminal.seen
    [asked] = desk.document("approvals", "list")
    assert (asked["state"], asked["votes"]) == ("PENDING", [])
    assert not (desk.folder / "n.txt.published").exists()
    desk.says("approvals", "approve", asked["request"]["approval_id"])
    assert "SUCCEEDED 2" in desk.says("resume", "out", "--tools", "tools.py")
