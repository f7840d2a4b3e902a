"""Invoices of credit settlement: accounting periods, numbers, open amounts, credit limits."""
