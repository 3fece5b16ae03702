"""Takes in events, gives out further events: admission, then execution step by step."""
