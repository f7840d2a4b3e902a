"""Tariff plans, services and prices as effective-dated data; rating and fees as pure functions."""
