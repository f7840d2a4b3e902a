"""Texts as short messages carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import gsm

from telco.sms.text import (
    SIZES,
    USSD_OCTETS,
    Alphabet,
    Coding,
    Part,
    TextTooLongError,
    UserData,
    alphabet_of,
    clean,
    coding_of,
    decode,
    decode_gsm7,
    encode,
    encode_gsm7,
    fit,
    header,
    read_header,
    split,
    units,
)

EXTENDED = "^{}[]~|\\€"


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("", Coding.GSM7, [0]),
        ("a" * 160, Coding.GSM7, [160]),  # a message of 160 septets
        ("a" * 161, Coding.GSM7, [153, 8]),  # 161 = 153 + 8
        ("a" * 306, Coding.GSM7, [153, 153]),  # 2 x 153
        ("a" * 307, Coding.GSM7, [153, 153, 1]),
        ("[" * 80, Coding.GSM7, [80]),  # an extended character takes two: 160
        ("[" * 81, Coding.GSM7, [76, 5]),  # 153 holds 76 of them and one septet stays empty
        ("a" + "[" * 80, Coding.GSM7, [77, 4]),  # 1 + 76 x 2 = 153
        ("ә" * 70, Coding.UCS2, [70]),
        ("ә" * 71, Coding.UCS2, [67, 4]),  # 71 = 67 + 4
        ("Б" * 134, Coding.UCS2, [67, 67]),
        ("😀" * 35, Coding.UCS2, [35]),  # a surrogate pair takes two units: 70
        ("😀" * 36, Coding.UCS2, [33, 3]),  # 67 holds 33 pairs
        ("a" * 69 + "ы", Coding.UCS2, [70]),  # one Russian letter makes it all UCS-2
        ("€" * 80, Coding.GSM7, [80]),
        ("₸", Coding.UCS2, [1]),  # the tenge sign is not in the GSM alphabet
    ],
)
def test_a_text_is_cut_into_as_few_messages_as_carry_it(text: str, coding: Coding, parts: list[int]) -> None:
    cut = split(text)
    assert cut.coding is coding
    assert [len(part) for part in cut.parts] == parts
    assert "".join(cut.parts) == text


def test_a_text_past_the_limit_is_refused() -> None:
    assert len(split("a" * 153 * 255).parts) == 255
    with pytest.raises(TextTooLongError) as refused:
        split("a" * (153 * 255 + 1))
    assert (refused.value.fields["parts"], refused.value.fields["limit"]) == (256, 255)
    with pytest.raises(TextTooLongError):
        split("a" * 161, limit=1)


@given(st.text(alphabet=st.sampled_from("aZ9 é\nΔ" + EXTENDED + "әҚы₸😀"), max_size=600))
def test_every_part_fits_and_together_they_are_the_text(text: str) -> None:
    cut = split(text)
    size = SIZES[cut.coding]
    assert "".join(cut.parts) == text
    limit = size.whole if len(cut.parts) == 1 else size.part
    assert all(units(part, cut.coding) <= limit for part in cut.parts)
    octets = b"".join(encode(part, cut.coding) for part in cut.parts)
    alphabet = Alphabet.GSM7 if cut.coding is Coding.GSM7 else Alphabet.UCS2
    assert decode(octets, alphabet) == text


@given(st.text(alphabet=st.sampled_from("ab" + EXTENDED), min_size=161, max_size=500))
def test_no_part_ends_inside_an_escape(text: str) -> None:
    for part in split(text).parts:
        assert not encode_gsm7(part).endswith(b"\x1b")
        assert decode_gsm7(encode_gsm7(part)) == part


def test_the_basic_alphabet_is_the_standard_s() -> None:
    # smpplib's table differs in one place: it has a grave accent where TS 23.038 has the section sign (0x5F).
    assert decode_gsm7(bytes([0x5F])) == "§"
    ours = {septet: decode_gsm7(bytes([septet])) for septet in range(128) if septet not in (0x1B, 0x5F)}
    assert ours == {septet: gsm.GSM_CHARACTER_TABLE[septet] for septet in ours}


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1b\x65", "€"),
        (b"a\x1b", "a"),  # an escape at the end escapes nothing
        (b"\x1b\x1bA", " A"),  # reserved: shown as a space
        (b"\x1bA", "A"),  # unknown extension: the basic character
        (b"\x80\xff", "\ufffd\ufffd"),  # eight-bit octets are no septets
        (b"", ""),
    ],
)
def test_odd_octets_are_read_as_the_standard_asks(octets: bytes, text: str) -> None:
    assert decode_gsm7(octets) == text


@pytest.mark.parametrize(
    ("coding", "alphabet"),
    [
        (0x00, Alphabet.GSM7),
        (0x01, Alphabet.ASCII),
        (0x02, Alphabet.BINARY),
        (0x03, Alphabet.LATIN1),
        (0x04, Alphabet.BINARY),
        (0x06, Alphabet.CYRILLIC),
        (0x08, Alphabet.UCS2),
        (0x09, Alphabet.BINARY),
        (0x0F, Alphabet.GSM7),
        (0x10, Alphabet.GSM7),  # general group, class 0: a flash message
        (0x15, Alphabet.BINARY),
        (0x18, Alphabet.UCS2),
        (0xC8, Alphabet.GSM7),  # message waiting
        (0xE0, Alphabet.UCS2),
        (0xF1, Alphabet.GSM7),
        (0xF5, Alphabet.BINARY),
        (0x85, Alphabet.BINARY),  # reserved
    ],
)
def test_data_coding_says_what_the_octets_are(coding: int, alphabet: Alphabet) -> None:
    assert alphabet_of(coding) is alphabet


def test_the_default_alphabet_is_the_smsc_s_choice() -> None:
    assert alphabet_of(0, Alphabet.LATIN1) is Alphabet.LATIN1
    assert decode(b"\xe9", Alphabet.LATIN1) == "é"


@given(st.binary(max_size=160), st.sampled_from(list(Alphabet)))
def test_whatever_arrives_is_text_that_can_be_stored_or_none(octets: bytes, alphabet: Alphabet) -> None:
    text = decode(octets, alphabet)
    assert (text is None) == (alphabet is Alphabet.BINARY)
    if text is not None:
        text.encode("utf-8")  # no lone surrogate
        assert not set(text) & {"\0", "\x1b", "\r"}


def test_control_characters_are_taken_out_and_lines_stay() -> None:
    assert clean("a\x00b\x1b[31m\r\nc\rd\te\u0085") == "ab[31m\nc\nde"
    assert clean("'; drop table sms.inbound; --") == "'; drop table sms.inbound; --"


@given(
    st.builds(
        lambda reference, total, number: Part(reference, total, min(number, total)),
        st.integers(0, 255),
        st.integers(2, 255),
        st.integers(1, 255),
    ),
    st.binary(max_size=134),
)
def test_a_header_is_read_as_it_was_written(part: Part, body: bytes) -> None:
    assert read_header(header(part) + body) == UserData(part, body)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"\x06\x08\x04\x01\x02\x03\x01hi", UserData(Part(0x0102, 3, 1), b"hi")),  # a 16-bit reference
        (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01x", UserData(Part(7, 2, 1), b"x", addressed=True)),
        (b"\x05\x00\x03\x07\x01\x01x", UserData(None, b"x")),  # a message of one part is whole
        (b"\x05\x00\x03\x07\x02\x03x", UserData(None, b"x")),  # part 3 of 2
        (b"\x05\x00\x03\x07\x02\x00x", UserData(None, b"x")),  # parts begin at 1
        (b"\x02\x70\x00x", UserData(None, b"x")),  # an unknown element is skipped
        (b"\x05\x00\x09\x07\x02\x01x", UserData(None, b"x")),  # an element longer than the header
        (b"\x20\x00\x03", UserData(None, b"\x20\x00\x03")),  # a header longer than the message is text
        (b"\x00hi", UserData(None, b"\x00hi")),
        (b"", UserData(None, b"")),
    ],
)
def test_headers_in_the_wild(octets: bytes, expected: UserData) -> None:
    assert read_header(octets) == expected


@given(st.binary(max_size=140))
def test_no_header_breaks_the_reader(octets: bytes) -> None:
    read_header(octets)


def test_a_ussd_string_holds_182_septets_or_80_characters() -> None:
    assert fit("a" * 200, USSD_OCTETS) == (Coding.GSM7, "a" * 182)  # 160 x 8 / 7 = 182
    assert fit("ә" * 100, USSD_OCTETS) == (Coding.UCS2, "ә" * 80)
    assert fit("ә" * 79 + "😀", USSD_OCTETS) == (Coding.UCS2, "ә" * 79)


def test_what_utf_16_cannot_carry_is_replaced() -> None:
    assert coding_of("\ud800") is Coding.UCS2
    assert encode("a\ud800", Coding.UCS2) == "a?".encode("utf-16-be")
