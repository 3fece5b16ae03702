"""What is said: events, topics, codec, definitions, settings, errors. Takes in nothing. Pure."""
