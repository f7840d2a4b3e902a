"""The step behind `make run`: when .venv is made anew, when packages change in place, when nothing is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import environment

VERSION = ".".join(map(str, sys.version_info[:3]))
LOCK = "# a comment\none==1.0 \\\n    --hash=sha256:00\ntwo==2.0 \\\n    --hash=sha256:11\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose locks pin two packages that do not exist."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    for lock in environment.LOCKS.values():
        (tmp_path / lock).write_text(LOCK)
    return tmp_path


def write_environment(project: Path, *, version: str = VERSION, place: Path | None = None) -> None:
    bin_directory = project / ".venv" / "bin"
    bin_directory.mkdir(parents=True)
    (bin_directory / "pip").touch()
    command = f"{sys.executable} -m venv {place or project / '.venv'}"
    (project / ".venv" / "pyvenv.cfg").write_text(f"version = {version}\ncommand = {command}\n")


def test_no_environment_is_not_usable(project: Path) -> None:
    assert not environment.usable()


def test_an_environment_of_this_python_in_this_place_is_usable(project: Path) -> None:
    write_environment(project)
    assert environment.usable()


def test_one_that_was_interrupted_before_pip_came_is_not(project: Path) -> None:
    write_environment(project)
    (project / ".venv" / "bin" / "pip").unlink()
    assert not environment.usable()


def test_one_of_another_python_or_of_another_place_is_not(project: Path) -> None:
    """Scripts name their interpreter by its full path: a directory that was moved has none that work."""
    write_environment(project, version="3.10.1")
    assert not environment.usable()
    (project / ".venv" / "pyvenv.cfg").unlink()
    (project / ".venv" / "bin" / "pip").unlink()
    (project / ".venv" / "bin").rmdir()
    write_environment(project, place=Path("/elsewhere/.venv"))
    assert not environment.usable()


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_the_stamp_knows_the_lock_and_the_metadata(project: Path, changed: str) -> None:
    lock = project / environment.LOCKS["run"]
    before = environment.fingerprint(lock)
    assert environment.fingerprint(lock) == before
    (project / changed).write_text("changed")
    assert environment.fingerprint(lock) != before


def test_with_the_right_stamp_nothing_is_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_environment(project)
    (project / ".venv" / "installed-run").write_text(environment.fingerprint(project / environment.LOCKS["run"]))
    environment.make("run")
    assert capsys.readouterr().out == ""


def test_progress_counts_packages_as_pip_turns_to_them(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = environment.Progress(environment.pinned(project / "requirements.lock"))
    for line in (
        "Collecting one==1.0",
        "  Downloading one-1.0.whl",
        "Requirement already satisfied: two==2.0 in there",
    ):
        progress.package(line)
    progress.close("installed 2 packages")
    assert capsys.readouterr().out.splitlines()[-1] == "installed 2 packages"


def test_a_failure_of_pip_is_shown_and_ends_with_an_error(project: Path) -> None:
    """Here pip fails because the environment's Python is a program that only says no."""
    write_environment(project)
    python = project / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho no such package\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit, match="no such package"):
        environment.make("run")
    assert not (project / ".venv" / "installed-run").exists()
