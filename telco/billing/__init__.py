"""Money in and out of personal accounts: payment cards, trust payments, subscription fees."""
