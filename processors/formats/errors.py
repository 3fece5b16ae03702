"""What is raised for a text that is not of its format, or a value that a format cannot hold."""


class Unfit(ValueError):
    """The message says what is wrong and where."""
