"""Measures: each takes in an Effort and gives out one Row, or two that belong together."""
