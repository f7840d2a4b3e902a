"""Identities as types, so that a subscriber's id cannot be passed where an account's is meant."""

from __future__ import annotations

import os
import time
from typing import NamedTuple, NewType
from uuid import UUID

AccountId = NewType("AccountId", int)
PartyId = NewType("PartyId", int)
ContractId = NewType("ContractId", int)
SubscriberId = NewType("SubscriberId", int)


class AccountRef(NamedTuple):
    """A personal account of the ledger: its shard, fixed at creation, and its id (unique over all shards)."""

    shard: int
    account_id: AccountId

    def __str__(self) -> str:
        return f"{self.shard}:{self.account_id}"


def uuid7() -> UUID:
    """Return a time-ordered UUID (RFC 9562 section 5.7): indexes on it grow at one end.

    Only uniqueness is promised; nothing in telco reads the time back out of it.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random & ((1 << 80) - 1)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
