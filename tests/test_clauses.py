"""The clause report: what counts as done, and that nothing cites a clause that no contract has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.clauses import RECORD, CitationError, markers, read_contract, render, report

CONTRACT = "# T: a contract\n\n- **TST-1** One.\n- **TST-2.1-1** Two.\n- **TST-A3.4** Three.\n- **ONE-1** Another's.\n"
TEST = "import pytest\n\n@pytest.mark.clause({ids})\nasync def test_it() -> None: ...\n"


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write a small project with the given code, tests and record of the last run."""

    def write(code: str = "", test: str = "", record: dict[str, bool] | None = None) -> Path:
        files = {"docs/contract/t.md": CONTRACT, "telco/f/rules.py": code, "tests/f/test_f.py": test}
        if record is not None:
            files[str(RECORD)] = json.dumps(record)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return tmp_path

    return write


def test_every_citation_and_marker_of_this_repository_names_a_clause(root: Path) -> None:
    assert len(report(root)) > 300


def test_every_mention_of_a_clause_names_one(root: Path) -> None:
    """In prose too, where a whole section may be named: a comment must not send its reader nowhere."""
    clauses = read_contract(root / "docs" / "contract")
    prefixes = "|".join(sorted({clause.prefix for clause in clauses.values()}))
    mention = re.compile(rf"\b(?:{prefixes})-[0-9A-Z](?:[\w.-]*\w)?")
    files = [path for pattern in ("telco/**/*.*", "tests/**/*.py", "docs/*.md", "*.md") for path in root.glob(pattern)]
    texts = {path: path.read_text("utf-8") for path in files if path.suffix in {".py", ".sql", ".toml", ".md", ".js"}}
    mentioned = {(str(path.relative_to(root)), id_) for path, text in texts.items() for id_ in mention.findall(text)}
    assert {
        (path, id_) for path, id_ in mentioned if not any(f"{known}.".startswith(f"{id_}.") for known in clauses)
    } == set()


@pytest.mark.parametrize(
    ("code", "marked", "passed", "state"),
    [
        ("# Contract: TST-1", '"TST-1"', True, "done"),
        ("# Contract: TST-1", '"TST-1"', False, "open"),
        ("# Contract: TST-1", '"TST-1"', None, "open"),  # never run
        ("# Contract: TST-1", '"TST-2.1-1"', True, "open"),  # no test
        ("# TST-1 is mentioned, not cited", '"TST-1"', True, "open"),  # no code
    ],
)
def test_done_is_cited_and_proved(
    project: Callable[..., Path], code: str, marked: str, passed: bool | None, state: str
) -> None:
    record = None if passed is None else {"tests/f/test_f.py::test_it": passed}
    clauses = {clause.id: clause for clause in report(project(code, TEST.format(ids=marked), record))}
    assert clauses["TST-1"].state == state


def test_one_failing_test_keeps_a_clause_open(project: Callable[..., Path]) -> None:
    test = TEST.format(ids='"TST-1"') + '@pytest.mark.clause("TST-1")\ndef test_other() -> None: ...\n'
    record = {"tests/f/test_f.py::test_it": True, "tests/f/test_f.py::test_other": False}
    assert report(project("# Contract: TST-1", test, record))[0].state == "open"


@pytest.mark.parametrize(
    "code",
    [
        '"""Rule.\n\nContract: TST-1, TST-2.1-1, TST-A3.4\n"""',
        "# Contract: TST-1, TST-2.1-1,\n#   TST-A3.4.",
        "-- Contract: TST-1,TST-2.1-1,\n-- TST-A3.4; and more words",
    ],
)
def test_a_citation_lists_several_clauses_and_may_run_over_lines(project: Callable[..., Path], code: str) -> None:
    cited = {clause.id for clause in report(project(code)) if clause.code}
    assert cited == {"TST-1", "TST-2.1-1", "TST-A3.4"}


def test_markers_are_found_on_functions_classes_and_modules(project: Callable[..., Path]) -> None:
    test = """
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.clause("TST-1")]

@pytest.mark.clause("TST-2.1-1")
class TestIt:
    @pytest.mark.clause("TST-A3.4", "ONE-1")
    @pytest.mark.parametrize("n", [1])
    def test_that(self, n): ...

    def helper(self): ...
"""
    name = "tests/f/test_f.py::TestIt::test_that"
    assert list(markers(project(test=test))) == [(id_, name) for id_ in ("TST-1", "TST-2.1-1", "TST-A3.4", "ONE-1")]


@pytest.mark.parametrize(("code", "marked"), [("# Contract: TST-9", '"TST-1"'), ("", '"TST-9"')])
def test_an_unknown_id_is_refused_with_its_place(project: Callable[..., Path], code: str, marked: str) -> None:
    with pytest.raises(CitationError, match=r"(rules\.py:1|test_it).*TST-9"):
        report(project(code, TEST.format(ids=marked)))


def test_ids_are_written_out(project: Callable[..., Path]) -> None:
    with pytest.raises(CitationError, match=r"clause\(\*IDS\)"):
        report(project(test=TEST.format(ids="*IDS")))


def test_a_clause_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("- **TST-1** One.\n- **TST-1** Again.\n")
    with pytest.raises(CitationError, match="TST-1"):
        read_contract(tmp_path)


def test_the_report_has_a_line_a_clause_and_the_totals(project: Callable[..., Path]) -> None:
    root = project("# Contract: TST-1, TST-A3.4", TEST.format(ids='"TST-1", "TST-2.1-1"'))
    name = "tests/f/test_f.py::test_it"
    assert list(render(report(root))) == [
        f"TST-1         open  code: telco/f/rules.py:1  tests: {name} (marker present, not run)",
        f"TST-2.1-1     open  code: -  tests: {name} (marker present, not run)",
        "TST-A3.4      open  code: telco/f/rules.py:1  tests: -",
        "ONE-1         open  code: -  tests: -",
        "",
        "TST  done   0  open   3  of   3",
        "ONE  done   0  open   1  of   1",
        "1 of them: tests that have not run here. They run by make test; then make clauses counts them.",
    ]


def test_the_record_of_a_run_keeps_what_passed_and_what_failed(
    pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All cases of a table have to pass; a skipped test leaves no record; runs add up."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.clause("TST-1")
        @pytest.mark.parametrize("n", [1, 2])
        def test_table(n):
            assert n == 1

        @pytest.mark.clause("TST-1")
        def test_passes(): ...

        @pytest.mark.clause("TST-1")
        def test_skips():
            pytest.skip("not here")

        @pytest.fixture
        def broken():
            raise OSError

        @pytest.mark.clause("TST-1")
        def test_errors(broken): ...

        def test_of_no_clause(): ...
        """
    )
    pytester.makeini("[pytest]\nmarkers = clause")
    path = pytester.path / RECORD
    path.parent.mkdir()
    path.write_text('{"tests/test_earlier.py::test_it": true}')
    monkeypatch.setenv("PYTHONPATH", str(root))
    pytester.runpytest_subprocess("-p", "tests.clause_record", "-q")
    name = "test_the_record_of_a_run_keeps_what_passed_and_what_failed.py"
    assert json.loads(path.read_text()) == {
        "tests/test_earlier.py::test_it": True,
        f"{name}::test_table": False,
        f"{name}::test_passes": True,
        f"{name}::test_errors": False,
    }
