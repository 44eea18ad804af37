"""What the scores of a task depend on, by name and digest, and the name of the key that signs promises about them."""

from __future__ import annotations

from rightsized.engines.onnx import OnnxEncoder

SIGNING_SECRET = "signing"  # noqa: S105 - the name of a secret, not one


def serving_digests(classifier: str, encoder: OnnxEncoder) -> dict[str, str]:
    """Digests of classifier and encoder, runtime and instruction set; compared with the certificate's at every load."""
    return {"classifier": classifier, "encoder": encoder.digest, "runtime": encoder.runtime}
