"""Runs that sign their head: what was rewritten on the whole machine is found by who has the public key."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buddy import BadInput, BuddyError, Harness, wiring
from buddy.adapters.journal.file import FileJournal
from buddy.core.signing import SignedHead
from buddy.errors import ClosedStop, JournalDamaged
from buddy.interfaces.cli.main import main
from buddy.journal import codec
from buddy.journal.events import Intent, Outcome, Record, Rung
from e2e import some_runs as runs
from e2e import some_tools

PUT = {"tool": "put", "args": {"key": "k", "value": 1}}
SEND = {"tool": "send", "args": {"to": "bob", "text": "hi"}}
FORGED = {"key": "k", "value": 2}


class Desk:
    """A folder with a home, and a key that lies elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.key = folder / "vault" / "signing.pem"
        self.public = wiring.create_key(str(self.key)).public_key

    def run(self, steps: dict[str, Any], **fields: Any) -> wiring.RunResult:
        return runs.run(self.folder, runs.plan(steps), **{"signing_key": str(self.key), **fields})

    def signed(self) -> list[SignedHead]:
        lines = (self.out / "head.sig").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=SignedHead) for line in lines]

    def found(self, *keys: str) -> list[str]:
        return [violation.rule for violation in wiring.verify(str(self.out), keys).violations]

    def lines(self) -> list[bytes]:
        return (self.out / "journal.jsonl").read_bytes().splitlines(keepends=True)

    def forge(self, change: Callable[[list[Record]], list[Record]]) -> None:
        """Write the journal, every output and the home's head anew, so that all of it fits."""
        records = change([record for record, _ in codec.records(self.lines())])
        head, lines = codec.Head(), []
        for record in records:
            line, head = codec.encode(record.event, head, record.time)
            lines.append(line)
        (self.out / "journal.jsonl").write_bytes(b"".join(lines))
        runs.project(self.out)
        with closing(wiring.home()) as home:
            [row] = home.runs()
            home.keep_head(row.run_id, head, row.state)


def with_another_value(records: list[Record]) -> list[Record]:
    """The story of another result, told consistently."""
    changed = []
    for record in records:
        if isinstance(record.event, Rung | Outcome) and record.event.step == "put":
            record = msgspec.structs.replace(
                record, event=msgspec.structs.replace(record.event, result=FORGED)
            )
        changed.append(record)
    assert changed != records
    return changed


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    monkeypatch.delenv("BUDDY_SIGNING_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def test_a_finished_run_is_signed_where_it_ends(desk: Desk) -> None:
    done = desk.run({"put": PUT})
    [only] = desk.signed()
    assert (only.run_id, only.seq) == (done.run_id, len(desk.lines()))
    assert desk.found() == desk.found(desk.public) == []
    assert wiring.verify(str(desk.out), [desk.public]).signatures_checked == 1


def test_without_the_setting_nothing_is_signed_and_a_key_finds_that(desk: Desk) -> None:
    desk.run({"put": PUT}, signing_key=None)
    assert not (desk.out / "head.sig").exists()
    assert desk.found() == []
    assert desk.found(desk.public) == ["signature_missing"]


def test_a_chain_that_was_recomputed_with_the_home_is_found_with_the_key_alone(desk: Desk) -> None:
    desk.run({"put": PUT})
    desk.forge(with_another_value)
    assert desk.found() == []
    assert desk.found(desk.public) == ["signature_differs"]


def test_who_forges_a_signature_too_has_no_key(desk: Desk) -> None:
    desk.run({"put": PUT})
    desk.forge(with_another_value)
    head = msgspec.structs.replace(desk.signed()[0], hash=json.loads(desk.lines()[-1])["hash"])
    (desk.out / "head.sig").write_bytes(msgspec.json.encode(head) + b"\n")
    assert desk.found(desk.public) == ["signature_invalid", "signature_missing"]
    own = wiring.create_key(str(desk.folder / "own.pem"))
    assert own.key_id != head.key_id
    assert desk.found(own.public_key) == ["signature_invalid", "signature_missing"]


def test_a_tail_cut_off_with_the_home_is_found(desk: Desk) -> None:
    desk.run({"put": PUT})
    desk.forge(lambda records: records[:-1])
    assert desk.found() == []
    assert desk.found(desk.public) == ["signature_differs"]


def test_a_broken_chain_is_told_beside_what_was_signed(desk: Desk) -> None:
    desk.run({"put": PUT})
    path = desk.out / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"value":1', b'"value":2'))
    assert "chain_broken" in desk.found(desk.public)
    path.write_bytes(b"")
    assert {"journal_empty", "signature_differs"} <= set(desk.found(desk.public))
    path.unlink()
    with pytest.raises(BuddyError):
        wiring.verify(str(desk.out), [desk.public])


def test_every_rest_is_signed_and_stays_provable(desk: Desk) -> None:
    held = desk.run({"put": PUT, "send": SEND})
    assert held.exit_code == 3
    [asked] = runs.asked()
    runs.decide(asked.request.approval_id)
    assert runs.resume(desk.folder).exit_code == 0
    wiring.rollback(str(desk.out), [runs.TOOLS], by="ada", step="put")
    wiring.cancel(str(desk.out), by="ada")
    heads = desk.signed()
    assert [head.seq for head in heads] == sorted({head.seq for head in heads})
    assert len(heads) == 4
    assert desk.found(desk.public) == []
    assert wiring.verify(str(desk.out), [desk.public]).signatures_checked == 4


def test_a_doubt_that_a_person_settled_is_signed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run({"put": PUT})
    desk.forge(lambda records: [r for r in records if not isinstance(r.event, Outcome)][:-1])
    (desk.out / "head.sig").unlink()
    before = len(desk.lines())
    wiring.resolve(str(desk.out), "put", True, by="ada")
    assert desk.signed()[-1].seq == len(desk.lines()) > before


def test_an_earlier_rest_finds_a_change_before_it_although_the_last_is_gone(desk: Desk) -> None:
    desk.run({"put": PUT, "send": SEND})
    runs.decide(runs.asked()[0].request.approval_id, approve=False)
    runs.resume(desk.folder)
    desk.forge(with_another_value)
    assert desk.found(desk.public) == ["signature_differs"] * 2
    path = desk.out / "head.sig"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert desk.found(desk.public) == ["signature_differs"] * 2


def test_a_run_that_was_written_anew_is_not_gone_on_with(desk: Desk) -> None:
    desk.run({"put": PUT, "send": SEND})
    runs.decide(runs.asked()[0].request.approval_id)
    honest = desk.lines()
    desk.forge(with_another_value)
    lines = desk.lines()
    with pytest.raises(JournalDamaged, match="written anew; the run does not go on"):
        runs.resume(desk.folder)
    assert desk.lines() == lines
    assert len(desk.signed()) == 1
    assert some_tools.noted("sent") == []

    # Nor where the signature was taken away and the home knows better.
    (desk.out / "head.sig").unlink()
    (desk.out / "journal.jsonl").write_bytes(b"".join(honest))
    forged = lines
    with closing(wiring.home()) as home:
        [row] = home.runs()
        home.keep_head(row.run_id, codec.Head(len(honest), json.loads(honest[-1])["hash"]), row.state)
    (desk.out / "journal.jsonl").write_bytes(b"".join(forged))
    with pytest.raises(JournalDamaged, match="not the one that the home knows of"):
        runs.resume(desk.folder)
    assert some_tools.noted("sent") == []


def test_the_key_is_found_from_another_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run({"put": PUT, "send": SEND}, signing_key="vault/signing.pem")
    (desk.folder / "other").mkdir()
    monkeypatch.chdir(desk.folder / "other")
    runs.resume(desk.folder)
    assert desk.found(desk.public) == []
    assert len(desk.signed()) == 2


def test_a_key_that_has_moved_is_said_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run({"put": PUT, "send": SEND})
    moved = desk.key.rename(desk.folder / "moved.pem")
    with pytest.raises(BadInput, match="BUDDY_SIGNING_KEY"):
        runs.resume(desk.folder)
    monkeypatch.setenv("BUDDY_SIGNING_KEY", str(moved))
    runs.resume(desk.folder)
    monkeypatch.delenv("BUDDY_SIGNING_KEY")
    config = desk.folder / "keys.toml"
    config.write_text(f'signing_key = "{moved}"\n')
    wiring.resume(str(desk.out), [runs.TOOLS], by="ada", config_file=config)
    assert desk.found(desk.public) == []
    assert len(desk.signed()) == 3


def test_a_key_that_cannot_be_used_is_found_before_anything_runs(desk: Desk) -> None:
    desk.key.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        desk.run({"put": PUT})
    assert not desk.out.exists()
    assert some_tools.noted("put") == []


def test_the_private_key_is_nowhere_but_in_its_file(desk: Desk) -> None:
    desk.run({"put": PUT})
    secret = desk.key.read_bytes().splitlines()[1]
    seen = [path for path in desk.folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert seen == [desk.key]
    assert json.loads(desk.lines()[0])["config"]["signing_key"] == str(desk.key)


def test_a_run_that_was_stopped_is_signed_as_far_as_it_came(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **fields: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("buddy.wiring.session.orchestrator.carry_out", stop)
    with pytest.raises(KeyboardInterrupt):
        desk.run({"put": PUT})
    assert desk.signed()[-1].seq == len(desk.lines()) >= 1
    assert "signature_differs" not in desk.found(desk.public)


def test_what_the_disk_never_took_is_not_signed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FileJournal.append

    def fail_at_the_call(journal: FileJournal, event: Any, time: str) -> Record:
        if isinstance(event, Intent):
            journal.flush()
            os.close(journal._file)
            journal._file = os.open(journal.folder / "journal.jsonl", os.O_RDONLY)
        return real(journal, event, time)

    monkeypatch.setattr(FileJournal, "append", fail_at_the_call)
    with pytest.raises(ClosedStop):
        desk.run({"put": PUT})
    # What it took is.
    [signed] = desk.signed()
    assert signed.seq == len((desk.out / "journal.jsonl").read_bytes().splitlines())


def test_a_disk_that_takes_no_signature_is_told_and_the_run_is_whole(desk: Desk) -> None:
    desk.out.mkdir()
    (desk.out / "head.sig").mkdir()
    with pytest.raises(ClosedStop, match=r"head\.sig: signing the run failed"):
        desk.run({"put": PUT})
    assert desk.found() == []
    (desk.out / "head.sig").rmdir()
    runs.resume(desk.folder)
    assert desk.found(desk.public) == []


def test_calls_are_signed_when_they_end_and_when_they_go_on(desk: Desk) -> None:
    async def call(name: str) -> None:
        config = runs.live(desk.out, signing_key=str(desk.key))
        async with Harness(config, tools=some_tools.TOOLS, granted_by="ada") as harness:
            await harness.call("agent", "put", {"key": name, "value": 1}, confidence=0.95)

    asyncio.run(call("one"))
    asyncio.run(call("two"))
    assert len(desk.signed()) == 2
    assert desk.found(desk.public) == []
    desk.forge(with_another_time)
    with pytest.raises(JournalDamaged):
        asyncio.run(call("three"))
    assert ["three", "1"] not in some_tools.noted("put")


def with_another_time(records: list[Record]) -> list[Record]:
    return [msgspec.structs.replace(records[0], time="2020-01-01T00:00:00.000000+00:00"), *records[1:]]


def test_a_simulation_signs_the_same_bytes_every_time(desk: Desk) -> None:
    def simulate(name: str) -> bytes:
        path = desk.folder / "plan.json"
        path.write_text(json.dumps(runs.plan({"put": PUT})))
        config = runs.ExecutionConfig(
            clock="virtual", output_dir=str(desk.folder / name), signing_key=str(desk.key)
        )
        wiring.run([str(path)], [runs.TOOLS], config, granted_by="ada")
        assert not wiring.verify(str(desk.folder / name), [desk.public]).violations
        return (desk.folder / name / "head.sig").read_bytes()

    assert simulate("one") == simulate("two")


# the command line


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out + err


def test_from_a_key_to_a_verdict(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    made = told(capsys, "keys", "create")
    file = desk.folder / "home" / "signing.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    assert f'signing_key = "{file}"' in made
    (desk.folder / "public").write_text(told(capsys, "keys", "show"))
    shown = json.loads(told(capsys, "keys", "show", "--json"))
    assert made.splitlines()[0] == shown["public_key"]
    assert shown["file"] == str(file)
    (desk.folder / "buddy.toml").write_text('mode = "live"\nsigning_key = "home/signing.pem"\n')
    (desk.folder / "plan.json").write_text(json.dumps(runs.plan({"put": PUT})))
    told(capsys, "run", "plan.json", "--tools", runs.TOOLS, "--out", "out")
    assert "1 signature checked: all is as it should be" in told(capsys, "verify", "out", "--key", "public")
    report = json.loads(told(capsys, "verify", "out", "--key", shown["public_key"], "--json"))
    assert (report["violations"], report["signatures_checked"]) == ([], 1)
    desk.forge(with_another_value)
    assert "all is as it should be" in told(capsys, "verify", "out")
    verdict = told(capsys, "verify", "out", "--key", "public", code=1)
    assert "signature_differs" in verdict
    assert "written anew" in verdict


def test_several_keys_may_be_given(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.run({"put": PUT})
    other = json.loads(told(capsys, "keys", "create", "--out", "other.pem", "--json"))["public_key"]
    assert "signed with key" in told(capsys, "verify", "out", "--key", other, code=1)
    told(capsys, "verify", "out", "--key", other, "--key", desk.public)


def test_show_takes_the_key_that_runs_sign_with(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "`buddy keys create`" in told(capsys, "keys", "show", code=2)
    monkeypatch.setenv("BUDDY_SIGNING_KEY", "vault/signing.pem")
    assert desk.public in told(capsys, "keys", "show")
    other = json.loads(told(capsys, "keys", "create", "--out", "other.pem", "--json"))["public_key"]
    assert other in told(capsys, "keys", "show", "other.pem")
    assert "never replaced" in told(capsys, "keys", "create", "--out", "other.pem", code=2)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("ed25519:AAAA", "--key: expected a public key"),
        ("nowhere", "--key nowhere: expected a public key or a file of them: No such file"),
        ("vault", "Is a directory"),
        (
            "vault/signing.pem",
            "found a private key, which only signs; `buddy keys show vault/signing.pem` prints",
        ),
        ("half", "half: line 1: expected a public key"),
        ("bytes", "it is no text"),
        ("empty", "empty: expected public keys, one a line, found none"),
        ("", "expected a public key or a file of them"),
        ("pipe", "found none"),
    ],
)
def test_what_is_no_public_key_is_bad_input(
    desk: Desk, capsys: pytest.CaptureFixture[str], key: str, says: str
) -> None:
    desk.run({"put": PUT})
    (desk.folder / "bytes").write_bytes(b"\xff\xfe")
    (desk.folder / "empty").touch()
    (desk.folder / "half").write_text(desk.key.read_text().splitlines()[1])
    os.mkfifo(desk.folder / "pipe")
    found = told(capsys, "verify", "out", "--key", key, code=2)
    assert says in found
    assert desk.key.read_text().splitlines()[1] not in found


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "create", "--out", "new.pem"],
        ["keys", "show", "vault/signing.pem"],
        ["verify", "out", "--key", "PUBLIC"],
        ["run", "plan.json", "--set", "signing_key='vault/signing.pem'", "--out", "more"],
    ],
)
def test_without_the_extra_it_is_named_and_nothing_else_needs_it(desk: Desk, words: list[str]) -> None:
    desk.run({"put": PUT})
    (desk.folder / "plan.json").write_text(json.dumps({"plan_id": "p", "execution_order": []}))
    block = "import sys; sys.modules['cryptography'] = None; from buddy.interfaces.cli.main import main; "

    def without(*words: str) -> subprocess.CompletedProcess[str]:
        code = f"{block}sys.exit(main({list(words)!r}))"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=desk.folder, capture_output=True, text=True, timeout=60
        )

    done = without(*(desk.public if word == "PUBLIC" else word for word in words))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "pip install 'buddy-control[sign]'" in done.stderr
    assert not (desk.folder / "more").exists()
    assert without("verify", "out").returncode == 0
