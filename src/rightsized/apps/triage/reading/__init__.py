"""What is predicted and extracted of one message: tasks in one pass, the next tier where they abstain, its route."""
