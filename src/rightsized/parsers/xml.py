"""XML of any kind: the words of each element that holds text of its own, as a paragraph. Names and attributes are not
read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, single_line
from rightsized.parsers.extra import needed
from rightsized.parsers.ooxml import CAREFUL
from rightsized.parsers.types import Parsed

with needed("lxml"):
    from lxml import etree


def parse_xml(path: Path, name: str) -> Parsed:
    """Read an XML file; entities are not expanded. Raises DocumentError (`malformed`, `too-large`)."""
    draft = Draft(name)
    try:
        root = etree.parse(path, etree.XMLParser(**CAREFUL)).getroot()
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} is damaged ({error}).") from None
    walk = etree.iterwalk(root, events=("start",))
    for _, element in walk:
        if isinstance(element.tag, str) and _has_text(element):
            draft.add("paragraph", single_line(str(element.xpath("string()"))))
            walk.skip_subtree()
    return draft.finish(title=Path(name).stem)


def _has_text(element: Any) -> bool:
    """Whether text stands beside the element's children, which are then part of a sentence."""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
