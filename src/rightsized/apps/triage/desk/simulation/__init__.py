"""A desk played through on a stream of messages under several policies, for comparison and for forecasts."""
