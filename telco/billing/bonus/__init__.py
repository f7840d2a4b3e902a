"""The bonus programme: earned by rules of the catalogue, spent on what they say, never paid out. Contract: PSC-3.1.9"""
