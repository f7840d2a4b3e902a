"""Write requirements.lock and requirements-dev.lock from pyproject.toml: exact versions, hashes, no addresses.

Only packages with wheels are chosen, so that installing needs no compiler. Run by `make lock`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
HEADER = "# Written by `make lock` from pyproject.toml. Do not edit.\n"
OPTIONS = (
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--only-binary=:all:",
    "--python-version=3.11",
    "--python-platform=x86_64-manylinux_2_28",
    "--upgrade",
    "--quiet",
)


def compile_lock(requirements: list[str], target: Path, constraints: Path | None = None) -> None:
    """Resolve `requirements` and write `target`; versions in `constraints` are kept."""
    with TemporaryDirectory() as directory:
        source = Path(directory, "requirements.in")
        source.write_text("\n".join(requirements), "utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, "--output-file", directory + "/lock"]
        command += ["--constraint", str(constraints)] if constraints else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        subprocess.run([*command, str(source)], check=True, env=environment)
        target.write_text(HEADER + Path(directory, "lock").read_text("utf-8"), "utf-8")


def main() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = document["project"]
    run = project["dependencies"] + document["build-system"]["requires"]
    compile_lock(run, ROOT / "requirements.lock")
    dev = run + project["optional-dependencies"]["dev"]
    compile_lock(dev, ROOT / "requirements-dev.lock", ROOT / "requirements.lock")


if __name__ == "__main__":
    main()
