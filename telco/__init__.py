"""telco: the business side of a mobile operator in one async service on PostgreSQL."""

__version__ = "0.1.0"
