"""`telco audit` as an operator runs it."""

from __future__ import annotations

import pytest

from telco.cli import EXIT_OK, EXIT_USAGE
from telco.db.embedded import EmbeddedPostgres
from tests.acceptance.operator import environment, telco
from tests.databases import TEMPLATE, cloned


@pytest.mark.parametrize(
    ("template", "status", "said"),
    [
        (TEMPLATE, EXIT_OK, "the audit found nothing"),
        ("template1", EXIT_USAGE, "telco: the database does not have this version's schema; run telco migrate"),
    ],
)
async def test_one_sentence_says_what_came_of_it(
    postgres: EmbeddedPostgres, template: str, status: int, said: str
) -> None:
    """PostgreSQL's own template has no schema: the audits that run at once fail as one."""
    async with cloned(postgres, template) as url:
        assert await telco("audit", env=environment(TELCO_DATABASE_URL=url)) == (status, said + "\n")
