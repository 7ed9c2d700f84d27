"""The plans of a run as its folder keeps them: one resolved plan a line, so that a resume reads what ran."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from buddy.errors import BadInput, ClosedStop
from buddy.model.plan import Plan

_CHUNK = 1 << 16
_END = b"\n"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Plan)


def line_of(plan: Plan) -> bytes:
    """Return a plan as its line in the file; equal plans give equal lines."""
    return _encoder.encode(plan) + _END


def write_plans(path: Path, plans: Iterable[Plan]) -> str:
    """Write plans to a file that is there whole and durable when this returns, or not at all.

    Returns:
        SHA-256 of the file, in hex.

    Raises:
        ClosedStop: the disk failed.
    """
    digest = hashlib.sha256()
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb", buffering=_CHUNK) as file:
            for plan in plans:
                # A plan may have a million steps: its line is not copied to put an end to it.
                for data in (_encoder.encode(plan), _END):
                    digest.update(data)
                    file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as problem:
        part.unlink(missing_ok=True)
        reason = problem.strerror or problem
        raise ClosedStop(
            f"{path}: the plans cannot be kept ({reason}), so the run did not start"
        ) from problem
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class StoredPlans:
    """The plans that `write_plans` left; `ports.PlanSource`.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def verify(self, sha256: str) -> None:
        """Check that the file is what was written.

        Args:
            sha256: what `write_plans` returned.

        Raises:
            BadInput: it is not.
        """
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as problem:
            raise self._unreadable(problem) from problem
        if digest.hexdigest() != sha256:
            raise BadInput(
                f"{self._path}: expected the plans that the run began with (SHA-256 {sha256}),"
                f" found others (SHA-256 {digest.hexdigest()})"
            )

    def plans(self) -> Iterator[Plan]:
        """Yield the plans in order.

        Raises:
            BadInput: the file cannot be read, or a line is no stored plan.
        """
        try:
            with self._path.open("rb", buffering=_CHUNK) as file:
                for number, line in enumerate(file, 1):
                    yield self._decoded(line, number)
        except OSError as problem:
            raise self._unreadable(problem) from problem

    def _decoded(self, line: bytes, number: int) -> Plan:
        try:
            if not line.endswith(b"\n"):
                raise BadInput(f"{self._path} line {number}: expected a stored plan, found one cut short")
            return _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise BadInput(
                f"{self._path} line {number}: expected a stored plan, found damage: {problem}"
            ) from problem

    def _unreadable(self, problem: OSError) -> BadInput:
        return BadInput(
            f"{self._path}: expected the stored plans of the run, found that they cannot be read:"
            f" {problem.strerror or problem}"
        )
