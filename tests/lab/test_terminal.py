"""The story on a terminal and in a file."""

from __future__ import annotations

import io

import pytest

from telco.lab.terminal import Terminal


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_plain_lines_that_fit() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    with terminal.progress("PostgreSQL") as detail:
        detail.text = "18"
    terminal.step(3, "asks for the balance")
    terminal.sent("USSD", "*111*1#")
    terminal.got("Теңгерім: 0 ₸\n" + "сөз " * 40)
    terminal.balance("0 ₸")
    written = stream.getvalue()
    assert "\x1b" not in written
    assert "\r" not in written
    assert "✓ PostgreSQL" in written
    assert max(len(line) for line in written.splitlines()) <= 80
    assert "     USSD → *111*1#\n          ← Теңгерім: 0 ₸\n            сөз" in written


def test_a_terminal_sees_progress_in_place_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = _Tty()
    with Terminal(stream).progress("Redis"):
        assert stream.getvalue().endswith("Redis")
        assert not stream.getvalue().endswith("\n")
    assert "\r\x1b[2K" in stream.getvalue()
    assert "\x1b[32m✓\x1b[0m" in stream.getvalue()


def test_colours_are_left_out_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = _Tty()
    Terminal(stream).error("wrong")
    assert stream.getvalue() == "wrong\n"


def test_a_step_that_fails_is_marked_and_the_error_goes_on() -> None:
    stream = io.StringIO()
    with pytest.raises(OSError, match="full"), Terminal(stream).progress("PostgreSQL"):
        raise OSError("disk full")
    assert "✗ PostgreSQL" in stream.getvalue()
