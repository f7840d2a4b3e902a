"""Words that every feature shares: money, numbers, time, errors, texts. Imports nothing of telco."""
