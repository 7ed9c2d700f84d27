import io
import threading
import time

from buddy.interfaces.cli.progress import Bar


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(screen: Screen, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in screen.getvalue():
        assert time.monotonic() < deadline, screen.getvalue()
        time.sleep(0.02)


def test_a_bar_shows_how_far_it_is_and_makes_room() -> None:
    screen = Screen()
    with Bar("running", screen, patience_s=0.0) as bar:
        bar.update(3, 17)
        wait_for(screen, "3/17")
        with bar.aside():
            at = screen.tell()
            screen.write("a question\n")
            time.sleep(0.25)
            assert screen.getvalue()[at:] == "a question\n"
        bar.update(16, 17)
        wait_for(screen, "16/17")
    assert "running" in screen.getvalue()


def test_what_has_no_parts_is_not_counted() -> None:
    screen = Screen()
    with Bar("trying", screen, patience_s=0.0):
        wait_for(screen, "0:00:0")
    assert "trying" in screen.getvalue()
    assert "/" not in screen.getvalue()


def test_several_write_beside_the_bar_at_once() -> None:
    screen = Screen()
    with Bar("running", screen, patience_s=0.0) as bar:
        bar.update(3, 17)
        with bar.aside():
            other = threading.Thread(target=_write, args=(bar, screen), daemon=True)
            other.start()
            other.join(10)
            at = screen.tell()
            time.sleep(0.25)
            assert screen.getvalue()[at:] == ""
        assert "an alert" in screen.getvalue()
        wait_for(screen, "3/17")


def _write(bar: Bar, screen: Screen) -> None:
    with bar.aside():
        screen.write("an alert\n")


def test_what_is_quick_has_no_bar() -> None:
    screen = Screen()
    with Bar("running", screen) as bar:
        bar.update(1, 2)
    assert screen.getvalue() == ""


def test_what_is_no_terminal_has_no_bar() -> None:
    stream = io.StringIO()
    with Bar("running", stream, patience_s=0.0) as bar:
        bar.update(1, 2)
        time.sleep(0.15)
        with bar.aside():
            pass
    assert stream.getvalue() == ""
