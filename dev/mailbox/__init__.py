"""Sources of the sample mailbox, and what makes messages and labels of them. Start reading in `build`."""
