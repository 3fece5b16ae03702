"""Where it is said: takes in records, gives them back in order. One contract, two adapters."""
