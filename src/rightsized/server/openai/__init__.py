"""The OpenAI-compatible API: what an OpenAI client sends and expects, over the gateway, the tasks and the encoders."""
