"""What every search peer reads: rows and vectors that the benchmark wrote into a folder. Needs NumPy."""

import json
from pathlib import Path

import numpy as np


class Rows:
    """A judged collection: ids, texts, documents, and the encoder's vectors float32 (n, dimension)."""

    def __init__(self, folder):
        folder = Path(folder)
        rows = json.loads((folder / "rows.json").read_text("utf-8"))
        self.ids = [row["id"] for row in rows]
        self.texts = [row["text"] for row in rows]
        self.documents = [row["document"] for row in rows]
        self.vectors = np.load(folder / "rows.npy", allow_pickle=False)
        asked = json.loads((folder / "questions.json").read_text("utf-8"))
        self.questions = [question["text"] for question in asked]
        self.wanted = [question["document"] for question in asked]  # the document it is asked of, or ""
        self.question_vectors = np.load(folder / "questions.npy", allow_pickle=False)

    def members(self):
        """Row numbers by document, int64."""
        found = {}
        for number, document in enumerate(self.documents):
            found.setdefault(document, []).append(number)
        return {document: np.array(numbers) for document, numbers in found.items()}
