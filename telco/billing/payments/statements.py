"""What a bank says happened on an account of ours, in whichever of its forms."""

from __future__ import annotations

from telco.billing.payments.bank_file import parse_bank_file
from telco.billing.payments.model import BankFile
from telco.billing.payments.mt940 import is_mt940, parse_mt940


def parse_statement(raw: bytes) -> BankFile:
    """Read a bank file; its form is told by its beginning.

    Raises:
        BankFileError: with the line and what is wrong in it.

    Contract: PSC-4.1
    """
    return parse_mt940(raw) if is_mt940(raw) else parse_bank_file(raw)
