"""FastAPI + sentence-transformers: the plain way to serve an encoder, on uvicorn with uvloop and httptools."""

import os

import uvicorn
from fastapi import FastAPI
from minilm_head import Model
from pydantic import BaseModel

app = FastAPI()
model = Model()


class Query(BaseModel):
    text: str


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/classify")
def classify(query: Query):  # not async: FastAPI runs it in its thread pool, where torch releases the lock
    return model([query.text])[0]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PEER_PORT"]), log_level="warning", access_log=False)
