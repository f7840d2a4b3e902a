"""Mistaken payments: corrected by two people, the money taken back by the exact opposite of what gave it."""

from __future__ import annotations

import asyncio

import pytest

from telco.billing.errors import RequestReusedError
from telco.billing.payments.errors import (
    CorrectionAmountError,
    CorrectionDecidedError,
    CorrectionOpenError,
    CorrectionTargetError,
    CorrectionUnknownError,
    PartUnknownError,
    PaymentSpentError,
    PaymentUnknownError,
    PaymentWrittenOffError,
    SamePersonError,
)
from telco.billing.payments.model import (
    Correction,
    CorrectionId,
    CorrectionKind,
    CorrectionState,
    Payment,
    PaymentId,
    PaymentState,
    TerminalRequest,
)
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.subscribers.model import Subscriber
from tests.billing.payments.conftest import Desk

ANNA, BOLAT = "staff:anna", "staff:bolat"
MOVE, WRITE_OFF = CorrectionKind.MOVE, CorrectionKind.WRITE_OFF


async def paid(desk: Desk, subscriber: Subscriber, amount: str = "1000") -> Payment:
    asked = TerminalRequest("1", subscriber.msisdn, tenge(amount), desk.world.clock.now())
    answer = await desk.terminals.pay(desk.provider, asked)
    assert answer.payment_id is not None
    return await desk.payments.get(answer.payment_id)


async def ask(
    desk: Desk,
    payment: Payment,
    kind: CorrectionKind,
    target: Msisdn | None = None,
    request_id: str = "c1",
    part_no: int = 1,
    amount: str | None = None,
) -> Correction:
    return await desk.corrections.request(
        payment.payment_id,
        kind,
        target=target,
        reason="a wrong digit",
        actor=ANNA,
        request_id=request_id,
        part_no=part_no,
        amount=None if amount is None else tenge(amount),
    )


async def parts(desk: Desk, payment: Payment) -> list[tuple[int, str | None, Tiyn, PaymentState]]:
    found = await desk.payments.parts(payment.payment_id)
    return [(part.part_no, part.msisdn, part.amount, part.state) for part in found]


async def approve(desk: Desk, correction: Correction, *, allow_debt: bool = False, actor: str = BOLAT) -> Correction:
    return await desk.corrections.approve(
        correction.correction_id, actor=actor, decision="checked", allow_debt=allow_debt
    )


async def spend(desk: Desk, subscriber: Subscriber, amount: str) -> None:
    charge = ledger_model.sum_charge(tenge(amount))
    await desk.world.ledger.submit(ledger_model.debit(subscriber.account, "spent", charge, contra="revenue.test"))


async def cash(desk: Desk) -> Tiyn:
    """What the terminals brought, in the operator's books."""
    query = "select coalesce(sum(-amount), 0)::bigint from ledger.operator_total where operator_account = $1"
    return Tiyn(await desk.world.database.fetchval(query, "cash.terminal"))


@pytest.mark.clause("PSC-3.1.8", "PSC-5.2.2")
async def test_a_payment_for_a_wrong_number_is_moved_to_the_right_one(desk: Desk) -> None:
    wrong, right = await desk.world.subscriber(money="50"), await desk.world.subscriber()
    payment = await paid(desk, wrong)
    correction = await ask(desk, payment, MOVE, right.msisdn)
    assert (await desk.world.main(wrong), await desk.world.main(right)) == (tenge(1050), 0)  # nothing yet
    done = await approve(desk, correction)
    assert (await desk.world.main(wrong), await desk.world.main(right)) == (tenge(50), tenge(1000))
    assert (done.state, done.requested_by, done.decided_by, done.forced) == (CorrectionState.APPROVED, ANNA, BOLAT, 0)
    moved = await desk.payments.get(payment.payment_id)
    assert (moved.state, moved.msisdn, moved.named) == (PaymentState.MOVED, right.msisdn, wrong.msisdn)
    assert await desk.payments.search(right.msisdn) == [moved]
    assert await cash(desk) == tenge(1000)  # the money came once, wherever it is


@pytest.mark.clause("PSC-3.1.8")
async def test_a_mistaken_payment_is_written_off(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    await approve(desk, await ask(desk, payment, WRITE_OFF))
    assert (await desk.world.main(subscriber), await cash(desk)) == (0, 0)
    assert (await desk.payments.get(payment.payment_id)).state is PaymentState.WRITTEN_OFF
    with pytest.raises(PaymentWrittenOffError):
        await ask(desk, payment, WRITE_OFF, request_id="c2")


@pytest.mark.clause("PSC-3.1.8")
async def test_who_asked_decides_nothing(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    correction = await ask(desk, await paid(desk, subscriber), WRITE_OFF)
    with pytest.raises(SamePersonError):
        await approve(desk, correction, actor=ANNA)
    with pytest.raises(SamePersonError):
        await desk.corrections.refuse(correction.correction_id, actor=ANNA, decision="no")
    assert await desk.world.main(subscriber) == tenge(1000)


async def test_spent_money_is_taken_only_as_an_approved_debt(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    await spend(desk, subscriber, "300")
    correction = await ask(desk, payment, WRITE_OFF)
    with pytest.raises(PaymentSpentError):
        await approve(desk, correction)
    assert await desk.world.main(subscriber) == tenge(700)
    assert (await desk.corrections.get(correction.correction_id)).state is CorrectionState.REQUESTED
    done = await approve(desk, correction, allow_debt=True)
    # 700 were left of 1,000: the account owes the 300 that were spent
    assert (await desk.world.main(subscriber), done.forced, done.debt_allowed) == (tenge(-300), tenge(300), True)


async def test_a_refused_correction_changes_nothing_and_another_may_be_asked_for(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    correction = await ask(desk, payment, WRITE_OFF)
    with pytest.raises(CorrectionOpenError):
        await ask(desk, payment, WRITE_OFF, request_id="c2")
    refused = await desk.corrections.refuse(correction.correction_id, actor=BOLAT, decision="the receipt is right")
    assert (refused.state, refused.decision) == (CorrectionState.REFUSED, "the receipt is right")
    with pytest.raises(CorrectionDecidedError):
        await approve(desk, correction)
    assert await desk.world.main(subscriber) == tenge(1000)
    await ask(desk, payment, WRITE_OFF, request_id="c2")
    assert len(await desk.corrections.of_payment(payment.payment_id)) == 2
    assert len(await desk.corrections.in_state(CorrectionState.REQUESTED, 0, 10)) == 1


async def test_the_same_request_asks_once(desk: Desk) -> None:
    subscriber, other = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    first = await ask(desk, payment, WRITE_OFF)
    assert await ask(desk, payment, WRITE_OFF) == first
    with pytest.raises(RequestReusedError):
        await ask(desk, payment, MOVE, other.msisdn)


async def test_many_approvals_at_once_carry_it_out_once(desk: Desk) -> None:
    wrong, right = await desk.world.subscriber(), await desk.world.subscriber()
    correction = await ask(desk, await paid(desk, wrong), MOVE, right.msisdn)
    results = await asyncio.gather(
        *(approve(desk, correction, actor=f"staff:supervisor{n}") for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(result, Correction) for result in results) == 1
    assert all(isinstance(result, Correction | CorrectionDecidedError) for result in results)
    assert (await desk.world.main(wrong), await desk.world.main(right)) == (0, tenge(1000))


async def test_a_payment_that_was_moved_may_be_moved_again_and_written_off(desk: Desk) -> None:
    first, second, third = [await desk.world.subscriber() for _ in range(3)]
    payment = await paid(desk, first)
    await approve(desk, await ask(desk, payment, MOVE, second.msisdn))
    await approve(desk, await ask(desk, payment, MOVE, third.msisdn, "c2"))
    assert [await desk.world.main(s) for s in (first, second, third)] == [0, 0, tenge(1000)]
    await approve(desk, await ask(desk, payment, WRITE_OFF, None, "c3"))
    assert (await desk.world.main(third), await cash(desk)) == (0, 0)


async def test_a_correction_without_sense_is_refused(desk: Desk) -> None:
    subscriber, other = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    for kind, target in ((MOVE, None), (WRITE_OFF, other.msisdn), (MOVE, subscriber.msisdn)):
        with pytest.raises(CorrectionTargetError):
            await ask(desk, payment, kind, target)
    with pytest.raises(PaymentUnknownError):
        await desk.corrections.request(PaymentId(999), WRITE_OFF, target=None, reason="r", actor=ANNA, request_id="c9")
    with pytest.raises(CorrectionUnknownError):
        await desk.corrections.approve(CorrectionId(999), actor=BOLAT, decision="d")


async def test_the_database_itself_refuses_one_person_for_both(desk: Desk) -> None:
    correction = await ask(desk, await paid(desk, await desk.world.subscriber()), WRITE_OFF)
    with pytest.raises(Exception, match="correction_two_people_check"):
        await desk.world.database.fetch(
            "update payments.correction set decided_by = requested_by, decided_at = now(), state = 'approved' "
            "where correction_id = $1",
            correction.correction_id,
        )


async def test_both_decisions_are_in_the_audit_trail(desk: Desk) -> None:
    payment = await paid(desk, await desk.world.subscriber())
    await approve(desk, await ask(desk, payment, WRITE_OFF))
    [row] = await desk.world.database.fetch(
        "select actor, subject, ground from kernel.audit_trail where action = 'payments.correction_approved'"
    )
    assert (row["actor"], row["subject"], row["ground"]) == (BOLAT, f"payment:{payment.payment_id}", "checked")


@pytest.mark.clause("PSC-3.1.8", "PSC-5.2.2")
async def test_a_part_of_a_payment_is_moved_and_the_rest_stays(desk: Desk) -> None:
    """1,000 came for one number, 400 of it meant for another: 600 and 400; the cash is 1,000 all along."""
    wrong, right = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, wrong)
    correction = await approve(desk, await ask(desk, payment, MOVE, right.msisdn, amount="400"))
    assert (correction.amount, correction.forced) == (tenge(400), 0)
    assert (await desk.world.main(wrong), await desk.world.main(right)) == (tenge(600), tenge(400))
    assert await parts(desk, payment) == [
        (1, wrong.msisdn, tenge(600), PaymentState.CREDITED),
        (2, right.msisdn, tenge(400), PaymentState.MOVED),
    ]
    now = await desk.payments.get(payment.payment_id)
    assert (now.state, now.part_count, now.account, now.amount) == (PaymentState.CORRECTED, 2, None, tenge(1000))
    assert await desk.payments.search(right.msisdn) == [now]
    assert await desk.payments.search(wrong.msisdn) == [now]
    assert await cash(desk) == tenge(1000)


@pytest.mark.clause("PSC-3.1.8")
async def test_parts_are_corrected_again_each_on_its_own(desk: Desk) -> None:
    """1,000 = 600 + 400; of the 600, 100 are written off: 500 + 400 in accounts, 900 in the cash."""
    wrong, right = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, wrong)
    await approve(desk, await ask(desk, payment, MOVE, right.msisdn, amount="400"))
    of_first = await ask(desk, payment, WRITE_OFF, None, "c2", part_no=1, amount="100")
    of_second = await ask(desk, payment, MOVE, wrong.msisdn, "c3", part_no=2)  # two parts may wait at once
    await approve(desk, of_first)
    await approve(desk, of_second)
    assert (await desk.world.main(wrong), await desk.world.main(right), await cash(desk)) == (
        tenge(900),
        0,
        tenge(900),
    )
    assert await parts(desk, payment) == [
        (1, wrong.msisdn, tenge(500), PaymentState.CREDITED),
        (2, wrong.msisdn, tenge(400), PaymentState.MOVED),
        (3, wrong.msisdn, tenge(100), PaymentState.WRITTEN_OFF),
    ]


@pytest.mark.clause("PSC-3.1.8")
@pytest.mark.parametrize(("amount", "refused"), [("700", False), ("700.01", True)])
async def test_of_a_payment_spent_in_part_what_is_left_can_be_moved(desk: Desk, amount: str, refused: bool) -> None:
    """1,000 came, 300 are spent: 700 can be moved without a debt, a tiyn more cannot."""
    wrong, right = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, wrong)
    await spend(desk, wrong, "300")
    correction = await ask(desk, payment, MOVE, right.msisdn, amount=amount)
    if refused:
        with pytest.raises(PaymentSpentError):
            await approve(desk, correction)
        done = await approve(desk, correction, allow_debt=True)
        assert (done.forced, await desk.world.main(wrong)) == (Tiyn(1), Tiyn(-1))
    else:
        await approve(desk, correction)
        assert (await desk.world.main(wrong), await desk.world.main(right)) == (0, tenge(700))


async def test_a_correction_is_of_what_a_part_has(desk: Desk) -> None:
    subscriber, other = await desk.world.subscriber(), await desk.world.subscriber()
    payment = await paid(desk, subscriber)
    for amount in ("0", "1000.01"):
        with pytest.raises(CorrectionAmountError):
            await ask(desk, payment, MOVE, other.msisdn, amount=amount)
    with pytest.raises(PartUnknownError):
        await ask(desk, payment, MOVE, other.msisdn, part_no=2)
    await ask(desk, payment, MOVE, other.msisdn, amount="1000")
    with pytest.raises(RequestReusedError):
        await ask(desk, payment, MOVE, other.msisdn, amount="999")


@pytest.mark.clause("PSC-3.1.8")
async def test_a_partial_move_at_once_with_another_command_on_the_account_is_whole(desk: Desk) -> None:
    """While 6 supervisors approve, money is spent beside it: nothing is lost, the auditor looks at the end."""
    wrong, right = await desk.world.subscriber(), await desk.world.subscriber()
    correction = await ask(desk, await paid(desk, wrong), MOVE, right.msisdn, amount="400")
    results = await asyncio.gather(
        *(approve(desk, correction, actor=f"staff:supervisor{n}") for n in range(6)),
        spend(desk, wrong, "600"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Correction) for result in results) == 1
    assert (await desk.world.main(wrong), await desk.world.main(right)) == (0, tenge(400))
