"""What a message or a thread says, in its own sentences, each with its place; or written by a model and checked."""
