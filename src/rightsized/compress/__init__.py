"""Building ONNX graphs from weights and quantising them, without torch."""
