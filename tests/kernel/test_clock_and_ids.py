"""Time that is passed in, and ids that sort by the time they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from telco.kernel.clock import ManualClock, SystemClock
from telco.kernel.ids import AccountId, AccountRef, uuid7


def test_the_system_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_manual_clock_stands_still_until_it_is_moved(clock: ManualClock) -> None:
    start = clock.now()
    assert clock.now() == start
    assert clock.advance(timedelta(hours=1)) == clock.now() == start + timedelta(hours=1)


def test_a_manual_clock_refuses_to_go_back_and_to_guess_a_zone(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="back"):
        clock.advance(timedelta(microseconds=-1))
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 3, 2))  # noqa: DTZ001  (the naive value is the case)


def test_a_manual_clock_tells_utc_whatever_it_was_set_in() -> None:
    almaty = timezone(timedelta(hours=5))
    assert ManualClock(datetime(2026, 3, 2, 11, tzinfo=almaty)).now() == datetime(2026, 3, 2, 6, tzinfo=UTC)


def test_uuid7_is_of_version_7_and_grows() -> None:
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    assert {(uuid.version, uuid.variant) for uuid in made} == {(7, "specified in RFC 4122")}
    milliseconds = [uuid.int >> 80 for uuid in made]
    assert milliseconds == sorted(milliseconds)


def test_an_account_reads_as_shard_and_id() -> None:
    assert str(AccountRef(3, AccountId(42))) == "3:42"
