"""How good a search is: judged questions in BEIR layout, metrics with intervals, configurations compared."""
