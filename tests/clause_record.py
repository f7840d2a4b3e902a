"""A pytest plugin that remembers which tests of contract clauses passed, for `make clauses`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tools.clauses import RECORD

_PROPERTY = "clause"
_outcomes: dict[str, bool] = {}


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the reports of clause tests; a report can cross from a worker process, a marker cannot."""
    for item in items:
        if item.get_closest_marker("clause"):
            item.user_properties.append((_PROPERTY, True))


@pytest.hookimpl
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    ran = report.failed or (report.when == "call" and report.passed)
    if ran and (_PROPERTY, True) in map(tuple, report.user_properties):
        test = report.nodeid.split("[", 1)[0]  # all cases of a table have to pass
        _outcomes[test] = _outcomes.get(test, True) and report.passed


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add this run's outcomes to those of earlier runs."""
    if not _outcomes or hasattr(session.config, "workerinput"):
        return
    path = Path(session.config.rootpath, RECORD)
    path.parent.mkdir(exist_ok=True)
    known: dict[str, bool] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({**known, **_outcomes}, indent=1, sort_keys=True) + "\n", "utf-8")
    new.replace(path)  # so that a reader or another run never sees half of it
