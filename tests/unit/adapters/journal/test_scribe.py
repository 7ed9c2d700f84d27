"""The scribe: a real process that writes what the run's own process would have written."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buddy.adapters.journal import FileJournal, FileSink, ScribeSink, scribe
from buddy.adapters.journal.scribe import CHECK_EVERY, write_outputs
from buddy.errors import BadInput, ClosedStop, JournalDamaged
from buddy.projections.anomalies import Watch
from buddy.projections.outputs import OUTPUTS, project, together
from unit.core.journals import Story

JOURNAL = "journal.jsonl"


def told(many: int = 3) -> Story:
    """A run of reads and writes."""
    story = Story()
    for number in range(many):
        story.read(f"find{number}").live(f"fill{number}")
    return story.finished()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    opened = FileJournal.create(tmp_path / "run")
    yield opened
    opened.close()


def write(journal: FileJournal, sink: ScribeSink, story: Story) -> None:
    for record in story.records():
        sink.feed(journal.append(record.event, record.time))
        journal.flush()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_writes_what_the_run_would_have_written(journal: FileJournal) -> None:
    sink, story = ScribeSink(journal.folder), told(20)
    write(journal, sink, story)
    sink.close()
    sink.close()
    assert sink.alerts() == []
    found = {name: (journal.folder / name).read_bytes() for name in OUTPUTS}
    assert found == project(story.records())


def test_it_lets_the_run_go_first(journal: FileJournal) -> None:
    sink = ScribeSink(journal.folder)
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    until(lambda: os.getpriority(os.PRIO_PROCESS, sink._process.pid) > mine)
    sink.drop()


def test_the_files_grow_while_the_run_goes_on(journal: FileJournal) -> None:
    sink = ScribeSink(journal.folder)
    log = journal.folder / "tool_execution_log.jsonl"
    write(journal, sink, told())
    until(lambda: log.exists() and log.read_bytes())
    assert not (journal.folder / "orchestration_summary.json").exists()
    sink.close()


def test_what_only_its_audit_finds_is_heard(journal: FileJournal) -> None:
    sink, story = ScribeSink(journal.folder), Story()
    story.intent("s", "fill").outcome("s", "fill")
    write(journal, sink, story)
    heard: list[str] = []
    until(lambda: heard.extend(sink.alerts()) or heard)
    sink.close()
    assert heard[0].startswith("unsafe_escalation: step:p/s: 'buddy lock' now")


def test_a_run_whose_scribe_was_killed_stops_closed(journal: FileJournal) -> None:
    sink, story = ScribeSink(journal.folder), told()
    sink._process.kill()
    sink._process.wait()
    record = next(iter(story.records()))
    for _ in range(CHECK_EVERY - 1):
        sink.feed(record)
    with pytest.raises(ClosedStop, match=r"ended with code -9.*buddy resume"):
        sink.feed(record)
    with pytest.raises(ClosedStop, match="ended with code -9"):
        sink.close()


def test_an_output_that_cannot_be_written_stops_the_run_with_its_own_words(journal: FileJournal) -> None:
    (journal.folder / "tool_execution_log.jsonl").mkdir()
    sink = ScribeSink(journal.folder)
    write(journal, sink, told())
    with pytest.raises(
        ClosedStop, match=r"tool_execution_log.jsonl: writing an output failed \(Is a directory\)"
    ):
        sink.close()


def test_a_damaged_journal_is_not_written_from(journal: FileJournal) -> None:
    sink = ScribeSink(journal.folder)
    with (journal.folder / JOURNAL).open("ab") as file:
        file.write(b'{"seq":1}\n')
    with pytest.raises(ClosedStop, match="line 1 is not a whole journal line"):
        sink.close()


def test_a_run_that_ended_without_a_word_leaves_no_summary(tmp_path: Path) -> None:
    journal = FileJournal.create(tmp_path / "run")
    reading, writing = os.pipe()
    os.close(writing)
    log = journal.folder / "tool_execution_log.jsonl"
    log.write_bytes(b"of a resume that was quicker\n")
    write_outputs(journal.folder, run=reading, tell=print)
    os.close(reading)
    journal.close()
    assert log.read_bytes() == b"of a resume that was quicker\n"
    assert not (journal.folder / "orchestration_summary.json").exists()
    FileSink(journal.folder, together(Watch())).close()


def test_a_run_that_is_over_before_its_scribe_begins_gets_all_its_outputs(tmp_path: Path) -> None:
    journal, story = FileJournal.create(tmp_path / "run"), told()
    for record in story.records():
        journal.append(record.event, record.time)
    journal.close()
    reading, writing = os.pipe()
    os.write(writing, b".")
    os.close(writing)
    write_outputs(journal.folder, run=reading, tell=print)
    os.close(reading)
    assert {name: (journal.folder / name).read_bytes() for name in OUTPUTS} == project(story.records())


@pytest.mark.parametrize("number", scribe.FOR_THE_RUN)
def test_what_asks_a_run_to_end_does_not_end_its_scribe(journal: FileJournal, number: signal.Signals) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    sink, story = ScribeSink(journal.folder), told()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    sink._process.send_signal(number)  # it has hardly begun
    write(journal, sink, story)
    log = journal.folder / "tool_execution_log.jsonl"
    until(lambda: log.exists() and log.read_bytes())
    sink._process.send_signal(number)
    sink.close()
    assert {name: (journal.folder / name).read_bytes() for name in OUTPUTS} == project(story.records())


def test_it_gives_way_every_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, story = FileJournal.create(tmp_path / "run"), told(10)
    for record in story.records():
        journal.append(record.event, record.time)
    journal.close()
    ways: list[int] = []
    monkeypatch.setattr(scribe, "_give_way", lambda: ways.append(len(ways)))
    reading, writing = os.pipe()
    os.write(writing, b".")
    os.close(writing)
    write_outputs(journal.folder, run=reading, tell=print)
    os.close(reading)
    assert len(ways) == -(-journal.head.seq // scribe.GIVE_WAY_EVERY)


def test_without_a_python_to_start_there_is_no_scribe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(ClosedStop, match="cannot be started"):
        ScribeSink(tmp_path)
    monkeypatch.setattr(sys, "executable", "")
    assert not ScribeSink.possible()


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    first = FileSink(tmp_path, together(Watch()))
    threading.Timer(0.2, first.close).start()
    began = time.monotonic()
    FileSink(tmp_path, together(Watch())).close()
    assert time.monotonic() - began > 0.15


def test_a_second_writer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buddy.adapters.journal.sink.WAIT_S", 0.05)
    first = FileSink(tmp_path, together(Watch()))
    with pytest.raises(BadInput, match="still writing the outputs"):
        FileSink(tmp_path, together(Watch()))
    first.close()


def test_what_another_process_wrote_is_not_an_event(journal: FileJournal, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    (journal.folder / JOURNAL).write_bytes(b"nothing\n")
    with pytest.raises(JournalDamaged):
        write_outputs(journal.folder, run=reading, tell=print)
    os.close(reading)
    os.close(writing)


def test_a_scribe_ends_with_its_run(tmp_path: Path) -> None:
    """A run that is killed takes its scribe with it, so that a resume has the outputs for itself."""
    script = (
        "import sys, os, time\n"
        "from pathlib import Path\n"
        "from buddy.adapters.journal import FileJournal, ScribeSink\n"
        "journal = FileJournal.create(Path(sys.argv[1]))\n"
        "sink = ScribeSink(journal.folder)\n"
        "print(sink._process.pid, flush=True)\n"
        "time.sleep(0.5)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")], capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == -9
    scribe = Path(f"/proc/{int(ended.stdout)}")
    until(lambda: not scribe.exists() or "(zombie)" in (scribe / "status").read_text())
    FileSink(tmp_path / "run", together(Watch())).close()
