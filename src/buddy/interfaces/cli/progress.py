"""A bar on stderr for whatever takes longer than a second, where there is a terminal to draw it on."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 1.0
FRAME_S = 0.1


class Bar:
    """Draws how far something is, from a thread of its own: telling it costs two assignments.

    Args:
        label: what is going on.
        stream: a terminal to draw on; nothing is drawn on anything else.
        patience_s: seconds before it shows.
    """

    def __init__(self, label: str, stream: TextIO | None = None, patience_s: float = PATIENCE_S) -> None:
        self._label = label
        self._stream = sys.stderr if stream is None else stream
        self._patience_s = patience_s
        self._settled = 0
        self._total = 0
        self._ended = threading.Event()
        self._screen = threading.Lock()
        self._asides = 0
        self._shown: Progress | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Bar":
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def update(self, settled: int, total: int) -> None:
        """Say how much is done."""
        self._settled, self._total = settled, total

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the screen while something else is written there, by several at once too."""
        # A question stays on the screen for as long as a person thinks, so nobody waits for another's end.
        with self._screen:
            self._asides += 1
            if self._shown is not None and self._asides == 1:
                self._shown.stop()
        try:
            yield
        finally:
            with self._screen:
                self._asides -= 1
                if self._shown is not None and not self._asides:
                    self._shown.start()

    def _draw(self) -> None:
        if self._ended.wait(self._patience_s):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        counted, elapsed = TextColumn("{task.fields[counted]}"), TimeElapsedColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), counted, elapsed)
        console = Console(file=self._stream)
        bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
        with self._screen:
            self._shown = bar
            if not self._asides:
                bar.start()
        task = bar.add_task(self._label, total=None, counted="")
        while not self._ended.wait(FRAME_S):
            with self._screen:
                if not self._asides:
                    settled, total = self._settled, self._total
                    counted_now = (
                        f"{settled:,}/{total:,}" if total else ""
                    )  # not everything has parts to count
                    bar.update(task, completed=settled, total=total or None, counted=counted_now)
                    bar.refresh()
        with self._screen:
            self._shown = None
            bar.stop()
