"""Formats: values from texts of CSV, XML and YAML, and texts from values; pure."""
