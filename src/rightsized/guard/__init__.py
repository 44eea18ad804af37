"""Personal data, policy and output rules. Reserved: nothing lives here yet."""
