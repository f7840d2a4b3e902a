"""How sums are written in a payment's purpose, and what stands there beside the names and sums that it is for."""

from __future__ import annotations

import re
from typing import Final

CURRENCY: Final = r"(?:тенге|теңге|тнг|тг|₸|kzt|кзт)\b\.?|₸"
DIGITS: Final = r"(?:\d{1,3}(?:[ '’]\d{3})+|\d{1,10})"
MONEY: Final = rf"{DIGITS}(?:[.,=]\d{{1,2}}(?!\d)|-\d{{2}}(?!\d))?"
TIYN: Final = r"(?:\s*(?P<tiyn>\d{1,2})\s*(?:тиын|тиин|тын)\w*)?"

_VAT = r"(?:ндс|ққс|nds|vat)"
_INCLUDING = r"в\s*т\.?\s*ч\.?|в\s+том\s+числе|включая|с\s+уч[её]том|оның\s+ішінде|соның\s+ішінде"
_PLAIN_SUM = rf"{MONEY}\s*(?:{CURRENCY})?(?:\s*\d{{1,2}}\s*(?:тиын|тиин|тын)\w*)?"
NOISE: Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        # VAT: its rate and its sum are no sums of the payment
        rf"(?:{_INCLUDING})?\s*{_VAT}\s*\(?\s*\d{{1,2}}(?:[.,]\d)?\s*%\s*\)?"
        rf"(?:\s*[-:=]?\s*(?:сумма|сомасы)?\s*{_PLAIN_SUM})?",
        rf"(?:{_INCLUDING})\s*{_VAT}\s*[-:=]?\s*{_PLAIN_SUM}",
        rf"(?:без|сверх)\s+{_VAT}|{_VAT}\s+не\s+облагается|{_VAT}-?(?:сыз|ға\s+жатпайды)",
        r"\d{1,2}(?:[.,]\d+)?\s*%",
        # days, months, quarters, years
        r"(?:от|за|на|по|с|до|дан|күні)?\s*(?<!\d)\d{1,2}[./-]\d{1,2}[./-](?:20)?\d{2}(?!\d)\s*(?:г\.?|ж\.?|года|жылғы)?",
        r"(?<!\d)\d{1,2}\s+(?:янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек|қаңтар|ақпан|наурыз|сәуір|мамыр|маусым"
        r"|шілде|тамыз|қыркүйек|қазан|қараша|желтоқсан)\w*",
        r"(?<![\d-])20\d{2}\s*(?:г\.?\s?г?\.?|год\w*|ж\.?|жыл\w*)(?!\w)",
        r"(?:янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек|қаңтар|ақпан|наурыз|сәуір|мамыр|маусым|шілде|тамыз"
        r"|қыркүйек|қазан|қараша|желтоқсан)\w*\s+20\d{2}(?!\d)",
        r"(?<!\d)[1-4IV]{1,3}\s*(?:-?й\s+)?(?:кв\.?|квартал\w*|тоқсан\w*)",
        # contracts, codes, the payer's and the payee's own numbers
        r"(?:по\s+)?(?:договор\w*|дог\.?|контракт\w*|шарт\w*|келісім\w*)\s*(?:№|n|no\.?|номер|нөмірі)?\s*[\w/.-]*\d[\w/.-]*",
        r"(?:бин|бсн|иин|жсн|bin|iin)\s*:?\s*\d{12}",
        r"(?:кнп|кбе|кбк|knp|kbe|код\s+назначения\s+платежа)\s*:?\s*\d{1,6}",
        r"(?<![A-Za-z0-9])KZ\d{2}[0-9A-Z]{16}",
        r"(?:п/п|плат[её]жн\w+\s+поручени\w+|төлем\s+тапсырма\w*)\s*(?:№|n)?\s*\d{1,12}",
    )
)
