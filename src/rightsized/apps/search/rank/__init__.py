"""From candidates to an order: features of question and passage, fusion by hand or learned, and the reranking slot."""
