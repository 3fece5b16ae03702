"""Ingress: takes in the outside world, gives out one event for one happening, then an answer."""
