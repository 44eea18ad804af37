"""Texts on which precisions of one model are compared when it is installed: short, long, plain and awkward."""

from __future__ import annotations

PROBES: tuple[str, ...] = (
    "",
    "Yes.",
    "My card was charged twice for the same order.",
    "How do I change the address on my account?",
    "The parcel says delivered but nothing is here.",
    "Please cancel my subscription from next month on.",
    "I cannot log in since the update, it always says the code is wrong.",
    "Can somebody call me back this afternoon about the broken dishwasher?",
    "refund!!! where is it",
    "Is there a branch near the station that is open on Saturdays?",
    "The invoice 2024-0177 shows 1,240.50 but we agreed on 1,204.50.",
    "Who may sign contracts above ten thousand?",
    "What does clause 14.2 say about early termination?",
    "The tenant must give notice in writing three months before the end of the term.",
    "Water is dripping from the ceiling on the second floor.",
    "Thank you, the technician was very friendly and it works now.",
    "I would like to exchange pounds for euros at the best rate.",
    "Why was my top-up reverted?",
    "def parse(line):\n    return [int(part) for part in line.split(',')]",
    "SELECT name, total FROM orders WHERE total > 100 ORDER BY total DESC;",
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    "The build fails on the second step, although nothing in it changed since yesterday's green run.",
    "Does this medicine go with grapefruit juice?",
    "The patient was discharged on Tuesday with instructions to rest for ten days.",
    "Our flight was cancelled and the hotel for the night was not paid.",
    "tell me a joke about penguins",
    "What is the weather going to be like in Lisbon tomorrow?",
    "Set an alarm for half past six and remind me to take out the bins.",
    "Where does the name of the river come from?",
    "I have been on hold for forty minutes and then the line went dead, which is the third time this week.",
    "Le colis est arrivé endommagé, que dois-je faire ?",
    "Die Rechnung stimmt nicht, bitte prüfen Sie den Betrag.",
    "El pedido llegó tarde y faltaba una pieza.",
    "注文した商品がまだ届きません。",
    "مرحبا، أريد تغيير كلمة المرور",
    "🙂🙂 great service 🙂",
    "a",
    "1234567890 0987654321 5555-4444-3333",
    "https://example.org/help?topic=billing&lang=en",
    "THE MACHINE DOES NOT START AND THE RED LIGHT BLINKS FOUR TIMES",
    "We moved offices last week. The contract for the old lines ends in March, the new ones start in February, and "
    "we do not want to pay for both during the weeks in which they overlap. Our account manager said in December "
    "that this would be waived, but the first invoice of the year still lists all seven lines at the full price. "
    "Could you look into it, correct the invoice and confirm in writing that the old lines will be closed?",
    "Minutes: the board approved the budget for the coming year with two votes against. The heating in the north "
    "wing is to be replaced before the winter. Two offers were received; the cheaper one does not include disposal "
    "of the old boiler. A decision is put off until the missing figure has been asked for. The next meeting is on "
    "the ninth, and the agenda will be sent out a week before.",
)
