"""Make .venv from a lock file: the step behind `make run` and `make test`. Needs Python's standard library only.

Every package is pinned with its hashes and comes as a wheel, so no compiler is needed and nothing but what was locked
is installed. A stamp keyed on what the result depends on makes the next run a matter of milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
OLDEST_PYTHON = (3, 11)


def fingerprint(lock: Path) -> str:
    """Return what the environment depends on: the interpreter, the place, the lock and the package's metadata."""
    parts = [sys.version, str(ROOT)]
    parts += [path.read_text("utf-8") for path in (lock, ROOT / "pyproject.toml")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def usable() -> bool:
    """Tell whether .venv was made here, by this Python, to the end; packages can then be changed in place."""
    config = VENV / "pyvenv.cfg"
    if not config.is_file() or not (VENV / "bin" / "pip").is_file():
        return False
    values = dict(line.split(" = ", 1) for line in config.read_text("utf-8").splitlines() if " = " in line)
    made_here = values.get("command", "").endswith(f" {VENV}")
    return made_here and values.get("version") == ".".join(map(str, sys.version_info[:3]))


def pinned(lock: Path) -> int:
    """Return how many packages `lock` pins."""
    return sum("==" in line for line in lock.read_text("utf-8").splitlines())


class Progress:
    """One line that is rewritten on a terminal, and a few whole lines where there is none."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._terminal = sys.stdout.isatty()

    def say(self, what: str) -> None:
        if self._terminal:
            sys.stdout.write(f"\r\x1b[2K{what}")
        elif self._done % 10 == 0:
            sys.stdout.write(what + "\n")
        sys.stdout.flush()

    def package(self, line: str) -> None:
        """Count a line of pip's in which it turns to the next package."""
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            self._done += 1
            name = line.split(": " if ": " in line else " ", 1)[1].split("==", 1)[0]
            self.say(f"installing {min(self._done, self._total)}/{self._total} {name}")
        elif line.startswith("Installing collected packages"):
            self._done = 0
            self.say(f"unpacking {self._total} packages")

    def close(self, what: str) -> None:
        self._done = 0
        self.say(what)
        if self._terminal:
            sys.stdout.write("\n")


def pip(arguments: list[str], progress: Progress) -> None:
    """Run pip of the environment; on failure show what it said and exit."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    said = []
    with subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            progress.package(line.strip())
    if process.returncode != 0:
        sys.exit("\n" + "".join(said[-20:]) + "\nThe installation failed; the lines above are pip's.")


def make(kind: str) -> None:
    """Bring .venv to what the lock of `kind` says, unless it is there already."""
    lock = ROOT / LOCKS[kind]
    stamp = VENV / f"installed-{kind}"
    wanted = fingerprint(lock)
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    progress = Progress(pinned(lock))
    progress.say(f"making {VENV.name} with Python {sys.version.split()[0]}")
    if not usable():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    # The lock is complete, so nothing is left to resolve; bytecode is written when a module is first imported.
    pip(["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)], progress)
    pip(["--no-deps", "--no-build-isolation", "--quiet", "--editable", "."], progress)
    stamp.write_text(wanted, "utf-8")
    progress.close(f"installed {pinned(lock)} packages in {VENV.name}")


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"telco needs Python {needed} or newer; this is {sys.version.split()[0]}")
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit("usage: environment.py run|dev")
    make(sys.argv[1])


if __name__ == "__main__":
    main()
