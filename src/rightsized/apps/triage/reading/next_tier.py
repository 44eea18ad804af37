"""Where a task abstains: a tier that writes is asked, and can say nothing but the task's labels, or that none fits.

What it says is certified only where its own cascade's certificate covers it; else it is an estimate for a rule that
takes estimates, or for the person who decides. Policy, provenance and record are the gateway's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from rightsized.apps.triage.records import Labelled, Mail
from rightsized.core.errors import RightsizedError
from rightsized.core.types import LabelScore
from rightsized.tasks.dataset import OUT_OF_SCOPE
from rightsized.tasks.records import TaskStatus
from rightsized.tasks.writing import Excerpt, Prompt, Text, TextWriter

TOKENS = 64  # of an answer: one label as JSON
INSTRUCTIONS = (
    "You sort messages of a company's customers. You are given one message and the labels that it may have. "
    'Answer with JSON alone: {"label": "..."}. Use a label exactly as it is written.'
)


class _Said(msgspec.Struct):
    label: str


async def ask_next_tier(
    writer: TextWriter,
    labels: Mapping[str, Labelled],
    known: Mapping[str, TaskStatus],
    mail: Mail,
    wanted: Sequence[str],
    seconds: float,
) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    """The labels with those filled in that a task left open; and, in words, what did not work.

    Args:
        known: the tasks, by role.
        wanted: roles that may be asked about; none: all.
        seconds: how long each answer may take.
    """
    open_roles = [r for r, one in labels.items() if one.status == "abstained" and (not wanted or r in wanted)]
    asked = [role for role in open_roles if role in known and not known[role].task.multi_label]
    given = await asyncio.gather(*(_ask(writer, known[role], mail, seconds) for role in asked))
    found, notes = dict(labels), list[str]()
    for role, one in zip(asked, given, strict=True):
        if isinstance(one, str):
            notes.append(f"{role}: {one}")
        else:
            found[role] = _filled(labels[role], *one)
    return found, tuple(notes)


def prompt_of(status: TaskStatus, mail: Mail, seconds: float) -> Prompt:
    """What the tier is asked: the message as material that nobody vouches for, and the labels as a schema."""
    options = [*status.task.labels, OUT_OF_SCOPE]
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": options}},
        "required": ["label"],
        "additionalProperties": False,
    }
    question = f"Which label fits? Labels: {', '.join(options)}. Answer {OUT_OF_SCOPE} where none does."
    return Prompt(INSTRUCTIONS, question, (Excerpt(mail.text),), TOKENS, seconds, schema)


async def _ask(writer: TextWriter, status: TaskStatus, mail: Mail, seconds: float) -> tuple[Text, str] | str:
    """What was written with its label, or why there is none."""
    try:
        text = await writer.write(prompt_of(status, mail, seconds))
    except RightsizedError as error:
        return error.own_words
    if not text.tier:
        return text.reason or "every tier was passed over"
    try:
        label = msgspec.json.decode(text.text, type=_Said).label
    except msgspec.MsgspecError:
        return f"{text.tier} did not answer with a label"
    if label not in (*status.task.labels, OUT_OF_SCOPE):
        return f"{text.tier} answered with a label that the task does not have"
    return text, label


def _filled(before: Labelled, text: Text, label: str) -> Labelled:
    """The tier's label in place of none. That no label fits is left to a person, with the tier's word for it."""
    if label == OUT_OF_SCOPE:
        return msgspec.structs.replace(before, suggested=(LabelScore(OUT_OF_SCOPE, text.confidence), *before.suggested))
    return Labelled(
        task=before.task,
        labels=(label,),
        status="answered",
        confidence=text.confidence,
        state=text.state,
        certificate=text.certificate,
        certified=text.certified,
        suggested=before.suggested,
        out_of_scope=before.out_of_scope,
        tier=2,
        decision=text.decision,
    )
