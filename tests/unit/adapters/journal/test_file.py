import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.adapters.journal import FileJournal, read
from buddy.errors import BadInput, ClosedStop, JournalDamaged
from buddy.journal.events import Record
from unit.adapters.journal.faulty_disk import FaultyDisk
from unit.adapters.journal.journals import TIME, event, lines_of, plans, write


class TestWriting:
    def test_what_is_appended_is_read_again(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        records = [journal.append(event(number), TIME) for number in range(3)]
        assert (folder / "journal.jsonl").read_bytes() == b""
        journal.flush()
        assert (folder / "journal.jsonl").read_bytes() == b"".join(lines_of(3))
        assert records == [Record(number + 1, TIME, event(number)) for number in range(3)]
        assert [record for record, _ in read(folder)] == records
        assert list(read(folder))[-1][1] == journal.head
        journal.close()

    def test_only_what_was_appended_reaches_the_disk(self, folder: Path) -> None:
        disk = FaultyDisk()
        journal = FileJournal.create(folder, disk=disk)
        before = len(disk.calls)
        journal.flush()
        assert disk.calls[before:] == []
        journal.append(event(0), TIME)
        journal.append(event(1), TIME)
        journal.flush()
        journal.flush()
        assert disk.calls[before:] == ["write", "sync"]
        journal.close()

    def test_what_is_written_is_synced_by_the_next_flush(self, folder: Path) -> None:
        disk = FaultyDisk()
        journal = FileJournal.create(folder, disk=disk)
        before = len(disk.calls)
        journal.append(event(0), TIME)
        journal.write()
        journal.write()
        assert (folder / "journal.jsonl").read_bytes() == b"".join(lines_of(1))
        assert disk.calls[before:] == ["write"]
        assert (journal.head.seq, journal.durable.seq) == (1, 0)
        journal.flush()
        assert disk.calls[before:] == ["write", "sync"]
        assert journal.durable == journal.head
        journal.close()

    def test_making_it_syncs_every_folder_that_changed(self, folder: Path) -> None:
        disk = FaultyDisk()
        FileJournal.create(folder, disk=disk).close()
        assert disk.calls == ["sync_folder"] * 3  # the run's folder, runs/, and the folder that holds runs/

    @pytest.mark.parametrize("chunk", [1, 7, 100])
    def test_short_writes_go_on_where_they_stopped(self, folder: Path, chunk: int) -> None:
        journal = FileJournal.create(folder, disk=FaultyDisk(chunk=chunk))
        for number in range(5):
            journal.append(event(number), TIME)
        journal.flush()
        journal.close()
        assert (folder / "journal.jsonl").read_bytes() == b"".join(lines_of(5))

    def test_a_disk_that_takes_nothing_stops_the_run(self, folder: Path) -> None:
        journal = FileJournal.create(folder, disk=FaultyDisk(chunk=0))
        journal.append(event(0), TIME)
        with pytest.raises(ClosedStop):
            journal.flush()
        journal.close()

    def test_closing_flushes_and_is_final(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        journal.append(event(0), TIME)
        journal.close()
        journal.close()
        assert plans(folder) == [0]
        with pytest.raises(ClosedStop, match="closed"):
            journal.append(event(1), TIME)

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        batches=st.lists(st.integers(0, 4), max_size=5),
        reopen=st.lists(st.booleans(), min_size=5, max_size=5),
    )
    def test_any_grouping_gives_the_same_bytes(
        self, tmp_path_factory: pytest.TempPathFactory, batches: list[int], reopen: list[bool]
    ) -> None:
        folder = tmp_path_factory.mktemp("run")
        journal = FileJournal.create(folder)
        written = 0
        for size, again in zip(batches, reopen, strict=False):
            for _ in range(size):
                journal.append(event(written), TIME)
                written += 1
            journal.flush()
            if again and written:
                journal.close()
                journal = FileJournal.open(folder)
                assert journal.head.seq == written
        journal.close()
        assert (folder / "journal.jsonl").read_bytes() == b"".join(lines_of(written))


class TestTaken:
    def test_a_folder_with_a_run_is_refused(self, folder: Path) -> None:
        path = write(folder, 1)
        before = path.read_bytes()
        with pytest.raises(BadInput, match="already holds a run"):
            FileJournal.create(folder)
        assert path.read_bytes() == before

    def test_a_folder_in_which_no_line_was_ever_written_is_free(self, folder: Path) -> None:
        FileJournal.create(folder).close()
        write(folder, 2)
        assert plans(folder) == [0, 1]

    def test_a_part_of_the_first_line_is_no_run_either(self, folder: Path) -> None:
        path = write(folder, 1)
        path.write_bytes(path.read_bytes()[:-1])
        write(folder, 2)
        assert plans(folder) == [0, 1]

    def test_a_run_that_appears_at_the_last_moment_is_seen(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = write(folder, 1).read_bytes()
        exists = Path.exists
        monkeypatch.setattr(Path, "exists", lambda path: path.name != "journal.jsonl" and exists(path))
        with pytest.raises(BadInput, match="already holds a run"):
            FileJournal.create(folder)
        assert (folder / "journal.jsonl").read_bytes() == before

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("mine")
        with pytest.raises(BadInput, match="taken"):
            FileJournal.create(tmp_path / "taken")
        with pytest.raises(BadInput, match="taken"):
            FileJournal.create(tmp_path / "taken" / "run")

    def test_one_at_a_time(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        with pytest.raises(BadInput, match=f"{folder} is in use"):
            FileJournal.create(folder)
        journal.append(event(0), TIME)
        journal.flush()
        with pytest.raises(BadInput, match=f"{folder} is in use"):
            FileJournal.open(folder)
        journal.close()
        FileJournal.open(folder).close()

    def test_another_process_has_it(self, folder: Path) -> None:
        write(folder, 1)
        script = (
            "import sys, pathlib\n"
            "from buddy.adapters.journal import FileJournal\n"
            "journal = FileJournal.open(pathlib.Path(sys.argv[1]))\n"
            "print('open', flush=True)\n"
            "sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "open\n"
            with pytest.raises(BadInput, match=f"{folder} is in use"):
                FileJournal.open(folder)
            other.kill()
        FileJournal.open(folder).close()

    def test_what_a_killed_process_flushed_is_there(self, folder: Path) -> None:
        script = (
            "import sys, pathlib\n"
            "from buddy.adapters.journal import FileJournal\n"
            "from buddy.journal.events import PlanStarted\n"
            "journal = FileJournal.create(pathlib.Path(sys.argv[1]))\n"
            "for number in range(10_000_000):\n"
            "    journal.append(PlanStarted(plan='p', steps=number), sys.argv[2])\n"
            "    journal.flush()\n"
            "    print(number, flush=True)\n"
        )
        told = -1
        with subprocess.Popen(
            [sys.executable, "-c", script, str(folder), TIME], stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            while told < 50:
                told = int(other.stdout.readline())
            other.send_signal(signal.SIGKILL)
        journal = FileJournal.open(folder)
        assert journal.head.seq >= told + 1
        journal.close()
        assert plans(folder) == list(range(journal.head.seq))


class TestOpening:
    def test_goes_on_with_the_chain(self, folder: Path) -> None:
        path = write(folder, 3)
        seen: list[Record] = []
        journal = FileJournal.open(folder, seen=seen.append)
        assert [record.event for record in seen] == [event(0), event(1), event(2)]
        assert journal.cut == 0
        journal.append(event(3), TIME)
        journal.close()
        assert path.read_bytes() == b"".join(lines_of(4))

    def test_every_torn_tail_is_cut_off(self, folder: Path) -> None:
        path = write(folder, 3)
        lines = lines_of(3)
        kept = b"".join(lines[:2])
        for size in range(len(lines[2])):
            path.write_bytes(kept + lines[2][:size])
            journal = FileJournal.open(folder)
            assert (journal.cut, journal.head.seq) == (size, 2)
            assert path.read_bytes() == kept
            journal.append(event(2), TIME)
            journal.close()
            assert path.read_bytes() == b"".join(lines)

    def test_a_torn_first_line_is_no_run(self, folder: Path) -> None:
        path = write(folder, 1)
        path.write_bytes(lines_of(1)[0][:-1])
        with pytest.raises(BadInput, match="holds no run"):
            FileJournal.open(folder)
        write(folder, 1)

    def test_no_journal_is_no_run(self, folder: Path) -> None:
        with pytest.raises(BadInput, match="holds no run"):
            FileJournal.open(folder)
        with pytest.raises(BadInput, match="holds no run"):
            list(read(folder))

    @pytest.mark.parametrize("line", [0, 1, 2])
    def test_any_changed_byte_is_refused_with_its_line(self, folder: Path, line: int) -> None:
        path = write(folder, 3)
        lines = lines_of(3)
        start = sum(map(len, lines[:line]))
        whole = b"".join(lines)
        for place in range(start, start + len(lines[line]) - 1):
            damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            path.write_bytes(damaged)
            with pytest.raises(JournalDamaged) as caught:
                FileJournal.open(folder)
            assert caught.value.line == line + 1
            assert path.read_bytes() == damaged

    @pytest.mark.parametrize(
        ("order", "line"), [([0, 2], 2), ([1, 2], 1), ([0, 0, 1, 2], 2), ([0, 2, 1], 2), ([2, 1, 0], 1)]
    )
    def test_lines_that_moved_are_refused(self, folder: Path, order: list[int], line: int) -> None:
        path = write(folder, 3)
        lines = lines_of(3)
        path.write_bytes(b"".join(lines[number] for number in order))
        with pytest.raises(JournalDamaged) as caught:
            FileJournal.open(folder)
        assert caught.value.line == line

    def test_damage_before_a_torn_tail_is_not_cut(self, folder: Path) -> None:
        path = write(folder, 3)
        lines = lines_of(3)
        damaged = lines[0] + lines[1].replace(b"plan 1", b"plan 9") + lines[2][:10]
        path.write_bytes(damaged)
        with pytest.raises(JournalDamaged):
            FileJournal.open(folder)
        assert path.read_bytes() == damaged

    def test_the_lock_is_let_go_of_after_a_refusal(self, folder: Path) -> None:
        path = write(folder, 1)
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"plan 0", b"plan 9"))
        with pytest.raises(JournalDamaged):
            FileJournal.open(folder)
        path.write_bytes(whole)
        FileJournal.open(folder).close()

    @pytest.mark.parametrize(("fail_at", "call"), [(1, "truncate"), (2, "sync")])
    def test_a_disk_that_fails_while_it_opens(self, folder: Path, fail_at: int, call: str) -> None:
        path = write(folder, 2)
        path.write_bytes(path.read_bytes() + b'{"seq":3')
        disk = FaultyDisk(fail_at)
        with pytest.raises(ClosedStop, match="buddy resume") as caught:
            FileJournal.open(folder, disk=disk)
        assert isinstance(caught.value.__cause__, OSError)
        assert disk.calls[-1] == call
        journal = FileJournal.open(folder)
        assert journal.head.seq == 2
        journal.close()


class TestReading:
    def test_a_torn_line_is_left_out_only_where_it_is_allowed(self, folder: Path) -> None:
        path = write(folder, 2)
        path.write_bytes(path.read_bytes()[:-1])
        assert plans(folder, allow_torn=True) == [0]
        with pytest.raises(JournalDamaged, match="cut off") as caught:
            plans(folder)
        assert caught.value.line == 2

    def test_a_run_that_goes_on_can_be_read(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        journal.append(event(0), TIME)
        journal.flush()
        journal.append(event(1), TIME)
        assert plans(folder) == [0]
        journal.close()

    def test_what_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "journal.jsonl").mkdir()
        with pytest.raises(BadInput, match="cannot be read"):
            list(read(tmp_path))
