"""Accession, contracts and editions, consents, SIMs, numbers, plans, services, suspensions, applications."""
