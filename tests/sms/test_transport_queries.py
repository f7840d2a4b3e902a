"""The statements of the hot path read indexes, however large their tables have grown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telco.db.pool import Connection, Database
from telco.db.queries import load

Q = load("telco.sms", "transport_queries.sql")
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
SOON = NOW + timedelta(minutes=10)


async def fill(conn: Connection, rows: int) -> None:
    """Messages long done, as most are."""
    await conn.execute(
        """insert into sms.inbound (inbound_id, received_at, link, source, destination, body, fingerprint, state, owner)
           select n, $1, 'smsc-1', '77010000000', '5505', 'BAL', n, 'processed', 1
           from generate_series(1, $2::int) as n""",
        NOW,
        rows,
    )
    await conn.execute(
        """insert into sms.outbound (outbound_id, part, parts, inbound_id, kind, sender, recipient, body, coding,
                                     wants_receipt, state, created_at, valid_until, not_before, smsc_id)
           select n, 1, 1, n, 'reply', '5505', '77010000000', 'x', 0, false, 'accepted', $1, $1, $1, n::text
           from generate_series(1, $2::int) as n""",
        NOW,
        rows,
    )
    await conn.execute("analyze sms.inbound, sms.outbound")


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


HOT: dict[str, tuple[Any, ...]] = {
    "store_inbound": (
        [10**6],
        [NOW],
        ["smsc-1"],
        ["77010000000"],
        ["5505"],
        ["BAL"],
        [7],
        ["stored"],
        [None],
        NOW,
        1,
    ),
    "answer_inbound": (
        [5],
        ["processed"],
        NOW,
        1,
        [10**6],
        [1],
        [1],
        [5],
        ["5505"],
        ["77010000000"],
        ["x"],
        [0],
        [SOON],
        ["sending"],
        False,
    ),
    "claim_queued": (NOW, 1, 100, 0, 1),
    "settle_outbound": ([5], [1], ["accepted"], ["smsc-1"], ["5"], [None], [None], NOW),
    "settle_receipts": (["5"], ["delivered"], [""], NOW),
    "match_early_receipts": (["5"], NOW),
    "expect_redelivery": ([5], SOON),
    "find_my_sending": ([5], 1),
    "return_unsent": (1, [5], [1]),
    "expire_queued": (NOW,),
    "withdraw": (["key"], NOW),
    "put_off": (SOON, 1, NOW),
    "find_stored": (1, [5], 100),
    "adopt_inbound": ([2], 1),
    "give_up_sending": ([2], NOW),
    "end_idle_instance": (1, NOW),
}


@pytest.mark.parametrize("name", HOT)
async def test_no_statement_of_the_hot_path_scans_a_table(database: Database, name: str) -> None:
    async with database.acquire() as conn, conn.transaction():
        await fill(conn, 20_000)
        (plan,) = json.loads(await conn.fetchval(f"explain (format json) {getattr(Q, name)}", *HOT[name]))
        scanned = {
            node["Relation Name"]
            for node in nodes(plan["Plan"])
            if node["Node Type"] == "Seq Scan" and "Relation Name" in node
        }
        assert not scanned & {"inbound", "outbound"}
