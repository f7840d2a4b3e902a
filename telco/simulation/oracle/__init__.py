"""The observer of a simulated operator: reads every feature's tables, writes only its own notes.

It shares no code with what it watches. Its SQL stands here and not in a feature, and nothing of the service may use it.
"""
