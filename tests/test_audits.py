"""`telco audit` as an operator runs it."""

from __future__ import annotations

import pytest

from telco.cli import EXIT_OK, EXIT_USAGE, main
from telco.db.embedded import EmbeddedPostgres
from tests.databases import TEMPLATE, cloned_for_many


@pytest.mark.parametrize(
    ("template", "status", "said"),
    [
        (TEMPLATE, EXIT_OK, "the audit found nothing"),
        ("template1", EXIT_USAGE, "telco: the database does not have this version's schema; run telco migrate"),
    ],
)
def test_one_sentence_says_what_came_of_it(
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    template: str,
    status: int,
    said: str,
) -> None:
    """PostgreSQL's own template has no schema: the audits that run at once fail as one."""
    with cloned_for_many(postgres, template) as url:
        monkeypatch.setenv("TELCO_DATABASE_URL", url)
        assert main(["audit"]) == status
    written = capsys.readouterr()
    assert said in (written.out + written.err).splitlines()
