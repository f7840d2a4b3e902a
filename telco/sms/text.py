"""Texts as short messages carry them: alphabets, lengths, splitting and joining.

The default alphabet of 3GPP TS 23.038 is seven bits, sent as one octet a character over SMPP; a character of its
extension table (``^{}[]~|\\€``) takes two. Whatever it cannot write, Kazakh and Russian above all, goes out as UCS-2:
UTF-16, big-endian. A message holds 160 septets or 70 UTF-16 units, a part of a longer one 153 or 67, and a part never
ends inside an extended character or a surrogate pair.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum, IntEnum
from typing import NamedTuple

from telco.kernel.errors import DomainError

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_ESCAPE = 0x1B
_DECODING = _BASIC.replace("\x1b", " ") + "\ufffd" * 128
_ENCODING = {ord(character): bytes([septet]) for septet, character in enumerate(_BASIC) if septet != _ESCAPE} | {
    ord(character): bytes([_ESCAPE, septet]) for septet, character in _EXTENDED.items()
}
_EXTENSION = re.compile(rb"\x1b(.?)", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

MAX_PARTS = 255
"""A concatenated message numbers its parts in one octet."""
USSD_OCTETS = 160
"""A USSD string: 182 septets when packed, 80 UCS-2 characters."""


class TextTooLongError(DomainError):
    """The text takes {parts} messages; {limit} is the most that can be sent."""

    code = "text_too_long"
    status = 422
    parts: int
    limit: int


class Coding(IntEnum):
    """How telco writes a text; the values are SMPP's data_coding."""

    GSM7 = 0
    UCS2 = 8


class _Size(NamedTuple):
    whole: int
    part: int


SIZES: dict[Coding, _Size] = {Coding.GSM7: _Size(160, 153), Coding.UCS2: _Size(70, 67)}
"""What fits a single message and a part, in septets and in UTF-16 units."""


class Alphabet(Enum):
    """What the octets of a received message stand for."""

    GSM7 = "gsm7"
    ASCII = "ascii"
    LATIN1 = "iso-8859-1"
    CYRILLIC = "iso-8859-5"
    UCS2 = "utf-16-be"
    BINARY = "binary"


class Part(NamedTuple):
    """Which part of which long message a short message is; numbers start at 1."""

    reference: int
    total: int
    number: int


class UserData(NamedTuple):
    """The octets of a message after its header: the part they are, and whether they are for an application's port."""

    part: Part | None
    body: bytes
    addressed: bool = False


class SplitText(NamedTuple):
    """A text as it will be sent: one coding for all parts."""

    coding: Coding
    parts: tuple[str, ...]


def encode_gsm7(text: str) -> bytes:
    """Write `text` in the default alphabet, one octet a septet.

    Raises:
        UnicodeEncodeError: a character is in neither table.
    """
    return codecs.charmap_encode(text, "strict", _ENCODING)[0]


def decode_gsm7(body: bytes) -> str:
    """Read octets of the default alphabet; an unknown extension reads as its basic character, as TS 23.038 asks."""
    if _ESCAPE not in body:
        return codecs.charmap_decode(body, "strict", _DECODING)[0]
    pieces: list[str] = []
    position = 0
    for match in _EXTENSION.finditer(body):
        pieces.append(codecs.charmap_decode(body[position : match.start()], "strict", _DECODING)[0])
        if match[1]:
            septet = match[1][0]
            pieces.append(_EXTENDED.get(septet) or _DECODING[septet])
        position = match.end()
    pieces.append(codecs.charmap_decode(body[position:], "strict", _DECODING)[0])
    return "".join(pieces)


def coding_of(text: str) -> Coding:
    """Choose the shortest coding that keeps every character."""
    return _measure(text)[0]


def encode(text: str, coding: Coding) -> bytes:
    """Write `text` as the octets of short_message; what UTF-16 cannot carry becomes a question mark."""
    if coding is Coding.GSM7:
        return encode_gsm7(text)
    return text.encode("utf-16-be", "replace")


def units(text: str, coding: Coding) -> int:
    """Count what `text` takes of a message: septets, or UTF-16 units."""
    octets = len(encode(text, coding))
    return octets if coding is Coding.GSM7 else octets // 2


def split(text: str, limit: int = MAX_PARTS) -> SplitText:
    """Cut `text` into as few messages as carry it.

    Raises:
        TextTooLongError: it takes more than `limit` parts.
    """
    coding, length = _measure(text)
    size = SIZES[coding]
    if length <= size.whole:
        return SplitText(coding, (text,))
    parts = _cut(text, coding, length, size.part)
    if len(parts) > limit:
        raise TextTooLongError(parts=len(parts), limit=limit)
    return SplitText(coding, tuple(parts))


def _measure(text: str) -> tuple[Coding, int]:
    """Return the coding of a text and what it takes in it: septets, or UTF-16 units."""
    try:
        return Coding.GSM7, len(encode_gsm7(text))
    except UnicodeEncodeError:
        return Coding.UCS2, len(text.encode("utf-16-be", "replace")) // 2


def _cut(text: str, coding: Coding, length: int, size: int) -> list[str]:
    if length == len(text):  # every character takes one unit
        return [text[start : start + size] for start in range(0, length, size)] or [text]
    parts: list[str] = []
    start = used = 0
    for position, character in enumerate(text):
        width = len(_ENCODING[ord(character)]) if coding is Coding.GSM7 else 1 + (ord(character) > 0xFFFF)
        if used + width > size:
            parts.append(text[start:position])
            start, used = position, 0
        used += width
    parts.append(text[start:])
    return parts


def fit(text: str, octets: int) -> tuple[Coding, str]:
    """Return the coding of `text` and as much of its beginning as fits `octets` (a USSD string's 160)."""
    coding, length = _measure(text)
    room = octets * 8 // 7 if coding is Coding.GSM7 else octets // 2
    return coding, _cut(text, coding, length, room)[0]


def header(part: Part) -> bytes:
    """Write the user data header of a part, with an 8-bit reference (TS 23.040, element 0)."""
    return bytes((5, 0, 3, part.reference & 0xFF, part.total, part.number))


def read_header(octets: bytes) -> UserData:
    """Take the user data header off `octets`; a header that does not hold together is taken for text."""
    end = 1 + octets[0] if octets else 0
    if not 1 < end <= len(octets):
        return UserData(None, octets)
    part: Part | None = None
    addressed = False
    position = 1
    while position + 2 <= end:
        element, length = octets[position], octets[position + 1]
        data = octets[position + 2 : position + 2 + length]
        position += 2 + length
        if position > end:
            break
        if element == 0x00 and len(data) == 3:
            part = Part(data[0], data[1], data[2])
        elif element == 0x08 and len(data) == 4:
            part = Part(int.from_bytes(data[:2], "big"), data[2], data[3])
        elif element in (0x04, 0x05):
            addressed = True
    return UserData(part if part and valid_part(part) else None, octets[end:], addressed)


def valid_part(part: Part) -> bool:
    """A part of a message of one is the message; numbers outside the total are nonsense."""
    return part.total > 1 and 1 <= part.number <= part.total


def alphabet_of(data_coding: int, default: Alphabet = Alphabet.GSM7) -> Alphabet:
    """Read data_coding: SMPP 3.4's own values below 0x10, the coding groups of TS 23.038 above."""
    if data_coding < 0x10:
        return {
            0: default,
            1: Alphabet.ASCII,
            3: Alphabet.LATIN1,
            6: Alphabet.CYRILLIC,
            8: Alphabet.UCS2,
            0x0F: Alphabet.GSM7,
        }.get(data_coding, Alphabet.BINARY)
    group = data_coding >> 4
    if group <= 3:
        return (Alphabet.GSM7, Alphabet.BINARY, Alphabet.UCS2, Alphabet.BINARY)[data_coding >> 2 & 3]
    if group == 0xF:
        return Alphabet.BINARY if data_coding & 4 else Alphabet.GSM7
    return {0xC: Alphabet.GSM7, 0xD: Alphabet.GSM7, 0xE: Alphabet.UCS2}.get(group, Alphabet.BINARY)


def decode(body: bytes, alphabet: Alphabet) -> str | None:
    """Read a received text, cleaned; None when the octets are not text."""
    if alphabet is Alphabet.GSM7:
        return clean(decode_gsm7(body))
    if alphabet is Alphabet.BINARY:
        return None
    return clean(body.decode(alphabet.value, "replace"))


def clean(text: str) -> str:
    """Take out what no message should bring in: control characters (line ends stay), lone surrogates."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
