"""Tests of telco.email."""  # noqa: A005  # nothing is imported from here by that name
