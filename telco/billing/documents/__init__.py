"""Documents that billing gives out: invoices, acts, statements, refund orders, reconciliation acts; e-invoices."""
