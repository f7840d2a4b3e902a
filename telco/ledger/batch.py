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
_new = tuple.__new__
"""Makes a named tuple at a third of the price of calling its class."""


def outcomes(ops: Sequence[Op], rows: Sequence[Row], answer: Any) -> list[Outcome]:
    """Return the outcome of each operation of a batch, in its order."""
    done, mains, others = answer
    result: list[Any] = [None] * len(ops)
    if done is not None:  # the main balance paid alone, with nothing left to tell apart
        for position, main_after in zip(done, mains, strict=True):
            cost = rows[position - 1][-1]
            _, op_id, _, _, _, reserve, hold_id, *_ = ops[position - 1]
            charged = (_new(Line, (MAIN, _MONEY, cost)),) if cost else _NOTHING
            if reserve is None:
                fields = (op_id, _OK, False, charged, cost, 0, None, main_after, 0, None)
            else:
                fields = (op_id, _OK, False, charged, cost, reserve[1], hold_id, main_after, 0, None)
            result[position - 1] = _new(Outcome, fields)
    if others is not None:
        for row in others:
            result[row[0] - 1] = _full(ops[row[0] - 1], row)
    return result


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
