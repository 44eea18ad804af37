"""What a message or a thread says, in its own sentences, each with the place where it stands; or written and checked."""
