"""Collection: what follows when an invoice is not paid in time, and debts found after the end of a contract."""
