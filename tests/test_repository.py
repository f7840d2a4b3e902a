"""What the repository says about itself: locks, dependencies, the image and its neighbours."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from telco.settings import unknown

LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)==(\S+) \\")


def normal(name: str) -> str:
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> set[str]:
    return {normal(re.split(r"[<>=;\[ ]", line, maxsplit=1)[0]) for line in lines}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((root / "compose.yaml").read_text("utf-8"))
    return document


def pins(root: Path, lock: str) -> dict[str, str]:
    return {match[1]: match[2] for match in _PIN.finditer((root / lock).read_text("utf-8"))}


def test_everything_kept_is_text(root: Path) -> None:
    """What can be made or installed (a wheel, a picture, a PDF) has no place in the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout that git reads")
    kept = [root / name for name in listed.stdout.split("\0") if (root / name).is_file()]
    assert [path.name for path in kept if b"\0" in path.read_bytes()] == []


def test_no_two_features_share_the_number_of_an_advisory_lock(root: Path) -> None:
    """Who waits for one would wait for the other's, too."""
    sources = "".join(path.read_text("utf-8") for path in sorted((root / "telco").rglob("*.py")))
    numbers = re.findall(r"^_[A-Z_]*LOCK[A-Z_]* = (0x[0-9A-F]+)$", sources, re.M)
    assert len(numbers) > 5
    assert sorted(numbers) == sorted(set(numbers))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_pins_and_hashes_and_nothing_else(root: Path, lock: str) -> None:
    pin, digest, comment = r"[a-z0-9.-]+==\S+ \\", r"    --hash=sha256:[0-9a-f]{64}( \\)?", r"#.*"
    lines = (root / lock).read_text("utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(f"{pin}|{digest}|{comment}", line)] == []


def test_the_locks_pin_what_the_project_requires(root: Path, project: dict[str, Any]) -> None:
    run = required(project["project"]["dependencies"] + project["build-system"]["requires"])
    dev = run | required(project["project"]["optional-dependencies"]["dev"])
    assert run <= pins(root, LOCKS[0]).keys()
    assert dev <= pins(root, LOCKS[1]).keys()


def test_tests_run_on_the_versions_that_the_service_runs_on(root: Path) -> None:
    assert pins(root, LOCKS[0]).items() <= pins(root, LOCKS[1]).items()


def test_every_dependency_says_why_it_is_there(root: Path, project: dict[str, Any]) -> None:
    page = (root / "docs" / "dependencies.md").read_text("utf-8")
    service, development = page.split("## Development")
    documented = [
        {normal(name) for name in re.findall(r"^\| ([a-z]\S*) \| ", part, re.M)} for part in (service, development)
    ]
    lists = project["project"]["dependencies"], project["project"]["optional-dependencies"]["dev"]
    assert [names - {"package"} for names in documented] == [required(names) for names in lists]


def test_the_service_imports_only_what_it_requires(root: Path, project: dict[str, Any]) -> None:
    distributions = packages_distributions()
    imported: set[str] = set()
    for path in root.glob("telco/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    foreign = {normal(name) for module in imported for name in distributions.get(module, ())}
    own = {"telco", "pydantic-core"}  # pydantic pins the version of its core, and documents types of it
    assert foreign - own - required(project["project"]["dependencies"]) == set()


def test_no_feature_touches_anothers_tables(root: Path) -> None:
    """The tables of a feature live in the schema of its name; import-linter cannot see SQL."""
    features = {path.parent.name for path in root.glob("telco/*/*.sql")} - {"db"}
    schema = re.compile(rf"\b({'|'.join(features)})\.[a-z_]+", re.IGNORECASE)
    files = [(path.parent.name, path) for path in root.glob("telco/*/*.sql")]
    files += [(path.stem.split("_", 1)[1], path) for path in root.glob("migrations/*.sql")]
    touched = {
        f"{path.relative_to(root)}: {match[0]}"
        for feature, path in files
        for match in schema.finditer(re.sub(r"--.*", "", path.read_text("utf-8")))
        if feature in features and match[1].lower() != feature
    }
    assert touched == set()


def test_the_image_copies_what_exists_and_is_not_ignored(root: Path) -> None:
    taken = {line[1:] for line in (root / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in (root / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied.update(line.split()[1:-1])
    assert copied == taken
    assert [name for name in copied if not (root / name).exists()] == []


def test_the_neighbours_start_in_order(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["telco"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert all("healthcheck" in services[name] for name in ("postgres", "redis"))
    assert services["postgres"]["volumes"][0].split(":")[0] in compose["volumes"]


def test_the_image_and_its_neighbours_set_variables_that_exist(root: Path, compose: dict[str, Any]) -> None:
    names = set(re.findall(r"\bTELCO_\w+", (root / "Dockerfile").read_text("utf-8")))
    for service in ("migrate", "telco"):
        names |= {name for name in compose["services"][service]["environment"] if name.startswith("TELCO_")}
    assert names >= {"TELCO_DATABASE_URL", "TELCO_REDIS_URL"}
    assert unknown(dict.fromkeys(names, "")) == []


def test_no_secret_stands_in_the_repository(compose: dict[str, Any]) -> None:
    """Every password and pepper is given from outside, and compose stops when it is not."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "PEPPER" in name:
                assert re.fullmatch(r"\$\{\w+:\?\}", value), name
