"""One call of `ledger.apply_v1` and its answer as outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telco.kernel.units import Unit
from telco.ledger.model import MAIN, Line, Op, Outcome, Status
from telco.ledger.numbers import Row

_STATUSES = tuple(Status)
_UNITS = tuple(Unit)
_NOTHING: tuple[Line, ...] = ()
_OK, _MONEY = Status.OK, Unit.MONEY


def outcomes(ops: Sequence[Op], rows: Sequence[Row], answer: Any) -> list[Outcome]:
    """Return the outcome of each operation of a batch, in its order."""
    done, mains, others = answer
    result: list[Any] = [None] * len(ops)
    if done is not None:
        for position, main_after in zip(done, mains, strict=True):
            result[position - 1] = _plain(ops[position - 1], rows[position - 1][-1], main_after)
    if others is not None:
        for row in others:
            result[row[0] - 1] = _full(ops[row[0] - 1], row)
    return result


def _plain(op: Op, cost: int, main_after: int) -> Outcome:
    """The outcome of an operation that the main balance paid alone, with nothing left to tell apart."""
    charged = (Line(MAIN, _MONEY, cost),) if cost else _NOTHING
    reserve = op.reserve
    if reserve is None:
        return Outcome(op.op_id, _OK, False, charged, cost, 0, None, main_after)
    return Outcome(op.op_id, _OK, False, charged, cost, reserve.quantity, op.hold_id, main_after)


def _full(op: Op, row: Any) -> Outcome:
    _, status, replayed, main_after, cost, granted, forced, codes, units, amounts, differs = row
    charged = _NOTHING
    if codes is not None:
        taken = zip(codes, units, amounts, strict=True)
        lines = [Line(code, _UNITS[unit], amount) for code, unit, amount in taken]
        charged = tuple(sorted(lines, key=_is_main))
    return Outcome(
        op.op_id,
        _STATUSES[status],
        replayed,
        charged,
        cost,
        granted,
        op.hold_id if granted else None,
        0 if main_after is None else main_after,
        forced,
        differs,
    )


def _is_main(line: Line) -> bool:
    return line.code == MAIN
