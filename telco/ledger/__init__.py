"""The ledger: personal accounts, their buckets of money and allowances, holds, and the journal of every operation.

It is the only writer of money and allowances. docs/ledger.md tells how it works.
"""
