"""SMS and USSD: links to the operator's SMSC, and what subscribers can say over them."""
