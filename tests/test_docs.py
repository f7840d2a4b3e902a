"""What the documents tell a reader to type, open or set has to exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import telco.app
from telco import bench, cli
from telco.settings import unknown

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def typed(program: str) -> list[tuple[str, str]]:
    """Every command line of `program` in the documents, with its page."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line.split("#")[0].strip() for block in _BLOCK.findall(text) for line in block.splitlines()]
        lines += [span.removeprefix(".venv/bin/") for span in _SPAN.findall(_BLOCK.sub("", text))]
        found += [(str(page.relative_to(ROOT)), line) for line in lines if line.startswith(f"{program} ")]
    return found


def words(pattern: str) -> set[str]:
    return {name for page in PAGES for name in re.findall(pattern, page.read_text("utf-8"))}


@pytest.mark.parametrize(("page", "line"), typed("make"))
def test_every_make_command_exists(page: str, line: str) -> None:
    """`make --dry-run` knows the target and says what it would do, without doing it."""
    run = subprocess.run(
        ["make", "--dry-run", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("page", "line"), typed("telco"))
def test_every_telco_command_is_understood(page: str, line: str) -> None:
    arguments = shlex.split(line)[1:]
    if arguments[0] == "bench":  # has a parser of its own
        assert {name for name in arguments[1:] if not name.startswith("-")} <= {*bench.NAMES, "all"}
    else:
        cli._parser().parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_variable_is_a_setting() -> None:
    demo = {"TELCO_HOME", "TELCO_LAB_PORT"}  # of telco.lab, which is no part of the service
    assert unknown(dict.fromkeys(words(r"\bTELCO_[A-Z_]+") - demo, "")) == []


def test_every_metric_is_counted() -> None:
    assert telco.app  # everything that counts is imported
    counted = {name for family in REGISTRY.collect() for name in (family.name, f"{family.name}_total")}
    mentioned = words(r"`(telco_[a-z_]+)(?:`|\{)") - {"telco_"}
    assert mentioned - counted == set()


def test_help_lists_every_target_with_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == phony


def test_documents_name_no_machine() -> None:
    """What is true on one machine only does not belong here."""
    local = re.compile(r"(?<![\w.])/(?:home|root|tmp|opt|usr|etc)/\S+|localhost:\d+")
    assert {page.name: found for page in PAGES if (found := local.findall(page.read_text("utf-8")))} == {}
