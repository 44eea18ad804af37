"""The report's pictures as inline SVG: no script, no colour codes (classes take the page's tokens), text as text.

Charts are laid out in per cent across and pixels down, so that writing keeps its size on a narrow screen. Only
shapes, classes and numbers are written here; the sentences around them are in the template.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from rightsized.tasks.pages.figures import percent
from rightsized.tasks.records import CurvePoint

COLUMNS, PITCH, CELL = 50, 10, 8  # the picture of 1,000 messages: 50 across, 20 down
TOP, PLOT, BOTTOM = 22, 220, 28  # pixels above, in and below the plot of the curve
STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # round steps of the vertical axis
MOST_STEPS = 5  # grid lines above zero
LEAST_SHARE = 0.05  # the curve starts here: of fewer messages nothing can be said
NORMAL_95 = 1.959964  # two-sided 95% point of the normal distribution


def tag(name: str, *inside: str, **attributes: str | float) -> Markup:
    """One element. `class_` is `class`; other underscores become hyphens, and all values are escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-") if key != "viewBox" else key}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    body = "".join(str(escape(part)) for part in inside)
    return Markup(f"<{name}{written}>{body}</{name}>")  # noqa: S704 - every value was escaped above


def thousand(right: int, wrong: int) -> Markup:
    """1,000 marks: `right` filled squares, `wrong` crosses, and a hollow square for each one that goes to a person."""
    far = CELL - 1
    shapes = {
        "right": f"h{CELL}v{CELL}h-{CELL}z",
        "wrong": f"m1 1l{far - 1} {far - 1}m0-{far - 1}l-{far - 1} {far - 1}",
        "person": f"m1 1h{far - 1}v{far - 1}h-{far - 1}z",
    }
    kinds = ["right"] * right + ["wrong"] * wrong
    kinds += ["person"] * (1000 - len(kinds))
    paths = []
    for kind, shape in shapes.items():
        starts = [i for i, k in enumerate(kinds) if k == kind]
        path = "".join(f"M{i % COLUMNS * PITCH + 1} {i // COLUMNS * PITCH + 1}{shape}" for i in starts)
        if path:
            paths.append(tag("path", class_=f"mark-{kind}", d=path))
    box = f"0 0 {COLUMNS * PITCH} {1000 // COLUMNS * PITCH}"
    return tag("svg", *paths, class_="thousand", viewBox=box, aria_hidden="true")


def key(kind: str) -> Markup:
    """The mark of one kind, for the legend beside the picture."""
    shape = {"right": "M0 0h10v10h-10z", "wrong": "M1 1l8 8m0-8l-8 8", "person": "M1 1h8v8h-8z"}[kind]
    mark = tag("path", class_=f"mark-{kind}", d=shape)
    return tag("svg", mark, class_="key", viewBox="0 0 10 10", width=12, height=12, aria_hidden="true")


def bar(share: float, kind: str = "accent") -> Markup:
    """A horizontal bar that fills `share` of its place."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    rect = tag("rect", class_=f"bar-{kind}", width=width, height=10)
    back = tag("rect", class_="bar-back", width="100%", height=10)
    return tag("svg", back, rect, class_="meter", width="100%", height=10, aria_hidden="true")


def share(value: float) -> str:
    """A share that was set, not measured, without needless digits: `2%`, `0.5%`, `93.4%`."""
    return f"{round(100 * value, 2):g}%"


def axis(points: Sequence[tuple[float, float]], budget: float) -> tuple[float, float]:
    """The top of the vertical axis and its step: room for the budget and for answering everything, in round steps."""
    needed = max(2 * budget, 1.1 * points[-1][1] if points else 0.0, MOST_STEPS * STEPS[0])
    step = next((s for s in STEPS if s * MOST_STEPS >= needed), STEPS[-1])
    return min(1.0, round(step * -(-needed // step), 6)), step


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval for a share of `n` rows (E. B. Wilson, 1927)."""
    if n <= 0:
        return 0.0, 1.0
    z2 = NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 * ((share * (1 - share) + z2 / (4 * n)) / n) ** 0.5 / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class Plot:
    """Places points: shares from 0 to 1 across, risks from 0 to `top` upwards, with a line at each `step`."""

    def __init__(self, top: float, step: float) -> None:
        self.top, self.step = top, step

    def across(self, share: float) -> str:
        return f"{100 * share:.2f}".rstrip("0").rstrip(".")

    def down(self, risk: float) -> float:
        return round(PLOT * (1 - min(risk, 2 * self.top) / self.top), 1)

    def line(self, points: Sequence[tuple[float, float]]) -> str:
        return "".join(f"{'L' if i else 'M'}{self.across(x)} {self.down(y):g}" for i, (x, y) in enumerate(points))

    def band(self, points: Sequence[CurvePoint], n: int, joint: bool) -> str:
        """The outline of the 95% intervals; `joint` takes errors as a share of all rows."""
        spans = [wilson(_risk(p, joint), n if joint else p.coverage * n) for p in points]
        upper = [(p.coverage, high) for p, (_, high) in zip(points, spans, strict=True)]
        lower = [(p.coverage, low) for p, (low, _) in zip(points, spans, strict=True)]
        return self.line(upper + lower[::-1]) + "z"


def _risk(point: CurvePoint, joint: bool) -> float:
    return point.risk * point.coverage if joint else point.risk


def risk_coverage(
    points: Sequence[CurvePoint], n: int, budget: float, chosen: tuple[float, float] | None, joint: bool
) -> Markup:
    """The share answered here (across) against the share of it that is wrong (up), with the budget as a line.

    Args:
        points: from strict to loose; `n` rows were measured.
        chosen: share and risk at the thresholds in force; None where nothing is answered here.
        joint: errors are a share of all messages instead of those answered here.
    """
    points = [p for p in points if p.coverage >= LEAST_SHARE]
    curve = [(p.coverage, _risk(p, joint)) for p in points]
    plot = Plot(*axis(curve, budget))
    grid = "".join(f"M0 {plot.down(i * plot.step):g}H100" for i in range(round(plot.top / plot.step) + 1))
    shapes = [
        tag("path", class_="grid", d=grid),
        tag("rect", class_="within", y=plot.down(budget), width=100, height=PLOT - plot.down(budget)),
        tag("path", class_="band", d=plot.band(points, n, joint)) if points else "",
        tag("path", class_="budget", d=f"M0 {plot.down(budget)}H100"),
        tag("path", class_="curve", d=plot.line(curve)) if points else "",
    ]
    if chosen:
        shapes.append(tag("path", class_="chosen", d=f"M{plot.across(chosen[0])} 0V{PLOT}"))
    inner = tag("svg", *shapes, y=TOP, width="100%", height=PLOT, viewBox=f"0 0 100 {PLOT}", preserveAspectRatio="none")
    height = TOP + PLOT + BOTTOM
    writing = [*_axes(plot), *_labels(plot, budget, chosen)]
    return tag("svg", inner, *writing, class_="chart", width="100%", height=height, aria_hidden="true")


def _axes(plot: Plot) -> list[Markup]:
    parts = []
    for i in range(round(plot.top / plot.step) + 1):
        y = TOP + plot.down(i * plot.step)
        if i:
            parts.append(tag("text", share(i * plot.step), x=0, y=y - 4))
    for part, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
        parts.append(tag("text", share(part), x=f"{100 * part:g}%", y=TOP + PLOT + 18, text_anchor=anchor))
    return parts


def _labels(plot: Plot, budget: float, chosen: tuple[float, float] | None) -> list[Markup]:
    line = TOP + plot.down(budget)
    parts = [tag("text", f"error budget {share(budget)}", class_="on-budget", x="30%", y=line - 6)]
    if chosen:
        x, y = f"{plot.across(chosen[0])}%", TOP + plot.down(chosen[1])
        parts.append(tag("circle", class_="point", cx=x, cy=y, r=5.5))
        left = chosen[0] > 0.5
        word = f"chosen: {percent(chosen[0])} answered here"
        aside, anchor = (-8, "end") if left else (8, "start")
        parts.append(tag("text", word, class_="on-point", x=x, y=TOP + 12, dx=aside, text_anchor=anchor))
    return parts
