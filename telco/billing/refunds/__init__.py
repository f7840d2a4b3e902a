"""Money back: after the end of a contract, of what was overpaid, and for loss by the operator's fault."""
