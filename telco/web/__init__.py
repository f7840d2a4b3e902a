"""HTTP plumbing that every feature's ``http.py`` stands on: routes, errors, staff, idempotency, documents."""
