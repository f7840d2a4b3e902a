"""A simulated network for the demo and the tests: message centre, handsets, voice and data. Never imported by telco.

It reaches the service only by its public faces: SMPP for messages and USSD, HTTP for charging and the staff's work.
"""
