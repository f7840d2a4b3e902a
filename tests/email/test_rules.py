"""What may be sent, what a mail server's answer means, and when a message is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.email import rules
from telco.email.errors import EmailAddressError, EmailContentError
from telco.email.model import Attachment, EmailId, EmailState, OutgoingEmail, Stage, StoredEmail, Verdict

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
PLAIN = OutgoingEmail("askar@example.kz", "Выписка", "Құрметті абонент\n", "subscriber:1")


def stored(email: OutgoingEmail) -> StoredEmail:
    return StoredEmail(EmailId(7), email, EmailState.QUEUED, 1, NOW, NOW + timedelta(days=3), None)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("askar@example.kz", "askar@example.kz"),
        ("a.b+c@Example.KZ", "a.b+c@example.kz"),
        ("askar@почта.қаз", "askar@xn--80a1acny.xn--80ao21a"),
    ],
)
def test_addresses(address: str, written: str) -> None:
    assert rules.recipient(address) == written


@pytest.mark.parametrize(
    "address",
    [
        "",
        "askar",
        "@example.kz",
        "askar@",
        "askar@localhost",
        "аскар@example.kz",  # most servers take no such name
        "a b@example.kz",
        "a@example.kz,b@example.kz",
        "a@example.kz\r\nBcc: b@example.kz",
        "a\n@example.kz",
        "<a@example.kz>",
        '"a b"@example.kz',
        "a@b@example.kz",
        ".a@example.kz",
        "a..b@example.kz",
        f"{'a' * 65}@example.kz",
        f"a@{'b' * 64}.kz",
        "a@-b.kz",
        "a@example.kz\0",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(EmailAddressError):
        rules.check(OutgoingEmail(address, "s", "b", "r"))


@given(st.text(max_size=40), st.text(max_size=40))
def test_an_address_never_brings_a_header_or_a_second_reader(local: str, domain: str) -> None:
    try:
        written = rules.recipient(f"{local}@{domain}")
    except EmailAddressError:
        return
    assert written.isascii()
    assert written.isprintable()
    assert not set(written) & set(' ,;:<>()[]\\"\r\n')
    assert written.count("@") == 1


@pytest.mark.parametrize(
    "email",
    [
        OutgoingEmail("a@example.kz", "Subject\r\nBcc: b@example.kz", "body", "r"),
        OutgoingEmail("a@example.kz", "Subject\nX: y", "body", "r"),
        OutgoingEmail("a@example.kz", "", "body", "r"),
        OutgoingEmail("a@example.kz", "s" * 201, "body", "r"),
        OutgoingEmail("a@example.kz", "s\u2028", "body", "r"),
        OutgoingEmail("a@example.kz", "s", "", "r"),
        OutgoingEmail("a@example.kz", "s", "b\0", "r"),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment("../x.csv", "text/csv", b""),)),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment("x\r\n.csv", "text/csv", b""),)),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment('x".csv', "text/csv", b""),)),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment("x.csv", "text/csv\r\nX: y", b""),)),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment("x.csv", "text/csv", b"x" * 10_000_001),)),
        OutgoingEmail("a@example.kz", "s", "b", "r", (Attachment("x.csv", "text/csv", b""),) * 11),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_stored(email: OutgoingEmail) -> None:
    with pytest.raises(EmailContentError):
        rules.check(email)


def test_a_message_as_it_is_sent() -> None:
    file = Attachment("выписка-2026-03.csv", "text/csv", "дата;сумма\r\n".encode())
    email = rules.check(OutgoingEmail("a@example.kz", "Выписка за март", "Құрметті\n.\nабонент\n", "r", (file,)))
    raw = rules.mime(stored(email), "no-reply@kcell.example", "Kcell, Қазақстан")
    assert all(len(line) <= 998 and line.isascii() for line in raw.split(b"\r\n"))
    message = message_from_bytes(raw, policy=policy.default)
    assert message["To"] == "a@example.kz"
    assert message["From"].addresses[0].addr_spec == "no-reply@kcell.example"
    assert message["From"].addresses[0].display_name == "Kcell, Қазақстан"
    assert message["Subject"] == "Выписка за март"
    assert message["Message-ID"] == "<telco.7@kcell.example>"
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == ["Құрметті", ".", "абонент"]
    [attached] = message.iter_attachments()
    assert attached.get_filename() == "выписка-2026-03.csv"
    assert attached.get_payload(decode=True) == file.data


@pytest.mark.parametrize(
    ("stage", "code", "verdict"),
    [
        (Stage.CONNECTION, 421, Verdict.NO_SERVER),
        (Stage.CONNECTION, 535, Verdict.NO_SERVER),  # our login: the message can do nothing about it
        (Stage.SENDER, 451, Verdict.NO_SERVER),
        (Stage.SENDER, 550, Verdict.NO_SERVER),  # the server does not take mail from our address
        (Stage.SENDER, 530, Verdict.NO_SERVER),
        (Stage.SENDER, 552, Verdict.REFUSED),  # this message is too large
        (Stage.RECIPIENT, 421, Verdict.NO_SERVER),
        (Stage.RECIPIENT, 450, Verdict.LATER),  # mailbox busy
        (Stage.RECIPIENT, 452, Verdict.LATER),  # mailbox full
        (Stage.RECIPIENT, 530, Verdict.NO_SERVER),
        (Stage.RECIPIENT, 550, Verdict.REFUSED),  # no such mailbox
        (Stage.RECIPIENT, 553, Verdict.REFUSED),
        (Stage.CONTENT, 421, Verdict.NO_SERVER),
        (Stage.CONTENT, 451, Verdict.LATER),
        (Stage.CONTENT, 554, Verdict.REFUSED),  # taken for spam
        (Stage.CONTENT, 354, Verdict.LATER),  # nonsense
    ],
)
def test_what_an_answer_means(stage: Stage, code: int, verdict: Verdict) -> None:
    assert rules.verdict(stage, code) is verdict


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 240), (10, 240), (10_000, 240)]
)
def test_waits_grow_up_to_four_hours(attempts: int, minutes: int) -> None:
    assert rules.next_try(NOW, attempts) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(("address", "shown"), [("askar@example.kz", "a***@example.kz"), ("a@b.kz", "a***@b.kz")])
def test_an_address_is_shown_masked(address: str, shown: str) -> None:
    assert rules.masked(address) == shown
