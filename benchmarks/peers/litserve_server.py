"""LitServe with its own batching: up to 16 requests a batch, waiting at most 5 ms, one worker a core."""

import os

import litserve as ls
from minilm_head import Model


class Classify(ls.LitAPI):
    def setup(self, device):
        self.model = Model()

    def decode_request(self, request):
        return request["text"]

    def predict(self, texts):
        return self.model(texts)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    api = Classify(max_batch_size=16, batch_timeout=0.005, api_path="/classify")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["PEER_WORKERS"]))
    server.run(host="127.0.0.1", port=int(os.environ["PEER_PORT"]), generate_client_file=False, log_level="warning")
