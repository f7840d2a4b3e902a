"""Which clauses of docs/contract the code keeps and the tests prove. Run by `make clauses`.

A clause is done when code cites it (``Contract: PSC-3.2.5`` in a docstring or comment of telco/ or migrations/) and a
test that carries ``@pytest.mark.clause("PSC-3.2.5")`` passed when it last ran (tests/clause_record.py keeps that).
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path(".telco", "clauses.json")
_RULE = re.compile(r"^- \*\*([A-Z]{3}-[\w.-]+)\*\* ", re.MULTILINE)
_ID = r"[A-Z]{3}-[0-9A-Z](?:[\w.-]*\w)?"
# A citation may run over lines, each with its comment sign.
_CITATION = re.compile(rf"Contract:\s+({_ID}(?:,(?:\s|#|--)*{_ID})*)")


class CitationError(Exception):
    """A citation that no reader could follow."""


@dataclass
class Clause:
    """One rule of a contract, with where it is kept and proved."""

    id: str
    code: list[str] = field(default_factory=list)
    tests: dict[str, bool | None] = field(default_factory=dict)
    """Whether each test passed when it last ran; None if it has not run."""

    @property
    def state(self) -> str:
        proved = self.code and any(self.tests.values()) and False not in self.tests.values()
        return "done" if proved else "open"

    @property
    def prefix(self) -> str:
        return self.id.split("-", 1)[0]


def read_contract(directory: Path) -> dict[str, Clause]:
    """Read the ids of docs/contract in the order of the contracts."""
    found = [id_ for path in sorted(directory.glob("*.md")) for id_ in _RULE.findall(path.read_text("utf-8"))]
    for id_, count in Counter(found).items():
        if count > 1:
            raise CitationError(f"{directory}: {id_} stands there {count} times")
    return {id_: Clause(id_) for id_ in found}


def citations(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each clause id that code cites, with the place as ``file:line``."""
    files = [*root.glob("telco/**/*.py"), *root.glob("telco/**/*.sql"), *root.glob("migrations/*.sql")]
    for path in sorted(files):
        text = path.read_text("utf-8")
        for match in _CITATION.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            for id_ in re.findall(_ID, match[1]):
                yield id_, f"{path.relative_to(root)}:{line}"


def markers(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each clause id that a test is marked with, with the test as pytest names it."""
    for path in sorted(root.glob("tests/**/test_*.py")):
        name = str(path.relative_to(root))
        yield from _marked(ast.parse(path.read_text("utf-8"), name), name, ())


def _marked(node: ast.Module | ast.ClassDef, name: str, inherited: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    inherited += tuple(id_ for statement in node.body for id_ in _pytestmark(statement))
    for statement in node.body:
        if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        ids = (*inherited, *(id_ for decorator in statement.decorator_list for id_ in _clause_ids(decorator)))
        if isinstance(statement, ast.ClassDef):
            yield from _marked(statement, f"{name}::{statement.name}", ids)
        elif statement.name.startswith("test"):
            yield from ((id_, f"{name}::{statement.name}") for id_ in ids)


def _pytestmark(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
        for node in ast.walk(statement.value):
            yield from _clause_ids(node)


def _clause_ids(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.clause":
        for argument in node.args:
            if not isinstance(argument, ast.Constant):  # a reader, and a search, could not find it
                raise CitationError(f"write the ids out: {ast.unparse(node)}")
            yield str(argument.value)


def report(root: Path = ROOT) -> list[Clause]:
    """Return every clause with its code and tests.

    Raises:
        CitationError: code cites, or a test is marked with, an id that the contracts do not have.
    """
    clauses = read_contract(root / "docs" / "contract")
    record_file = root / RECORD
    passed: dict[str, bool] = json.loads(record_file.read_text("utf-8")) if record_file.is_file() else {}
    unknown = []
    for id_, place in citations(root):
        if id_ in clauses:
            clauses[id_].code.append(place)
        else:
            unknown.append(f"{place} cites {id_}")
    for id_, test in markers(root):
        if id_ in clauses:
            clauses[id_].tests[test] = passed.get(test)
        else:
            unknown.append(f"{test} is marked with {id_}")
    if unknown:
        raise CitationError("not in docs/contract: " + "; ".join(unknown))
    return list(clauses.values())


def _describe(test: str, passed: bool | None) -> str:
    return test + {True: "", False: " (failed)", None: " (marker present, not run)"}[passed]


def render(clauses: list[Clause]) -> Iterator[str]:
    """Yield the lines of the report: one a clause, then the totals of each prefix."""
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for clause in clauses:
        totals[clause.prefix][clause.state] += 1
        code = ", ".join(clause.code) or "-"
        tests = ", ".join(_describe(test, passed) for test, passed in clause.tests.items()) or "-"
        yield f"{clause.id:<13} {clause.state}  code: {code}  tests: {tests}"
    yield ""
    for prefix, counts in totals.items():
        yield f"{prefix}  done {counts['done']:>3}  open {counts['open']:>3}  of {counts.total():>3}"
    waiting = sum(bool(clause.code) and None in clause.tests.values() for clause in clauses)
    if waiting:
        yield f"{waiting} of them: tests that have not run here. They run by make test; then make clauses counts them."


def main() -> None:
    try:
        print("\n".join(render(report())))
    except CitationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
