"""Outgoing e-mail: stored with what causes it, sent after the commit by one sender, tried again for a time."""
