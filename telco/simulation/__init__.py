"""A simulated year: people and companies who live with the real service, on a clock that is moved.

It drives `telco.app.App` as it is, on a real database; the service knows nothing of it. docs/simulation.md explains.
"""
