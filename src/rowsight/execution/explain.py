"""A plan as text, highest step first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsight.plan.gathers import Gather, Summarize
from rowsight.plan.nodes import Ask, Figure, Limit, Node, Project, Scan, Themes, Where

if TYPE_CHECKING:
    from rowsight.execution.report import AskReport


def explained(plan: Node) -> str:
    """Return one line a step, the last step first, indented by depth."""
    lines: list[str] = []
    depth = 0
    node: Node | None = plan
    while node is not None:
        lines.append("  " * depth + line_of(node))
        depth += 1
        node = node.inputs[0] if node.inputs else None
    return "\n".join(lines)


def line_of(node: Node) -> str:
    """Return a step in one line."""
    match node:
        case Scan():
            read = "" if node.read is None else f", reading {', '.join(node.columns)}"
            return f"Scan {node.shown or node.source}{read}"
        case Where():
            return f"Where {node.predicate}"
        case Project():
            return f"Select {', '.join(node.columns)}"
        case Limit():
            return f"Limit {node.count}"
        case Ask():
            return _asking(node)


def _asking(node: Ask) -> str:
    words = repr(node.question.template.source)
    match node:
        case Themes(theming=theming):
            found = "as many themes as the texts show" if theming.k is None else f"{theming.k} themes"
            return f"Themes {words} into {node.into}: {found}, {theming.sample} rows drawn{_demand(node)}"
        case Figure(goal=goal):
            wanted = f"{goal.calls:,} calls" if goal.within is None else f"within {goal.within:g}"
            by = "" if goal.by is None else f" in each {goal.by}"
            return f"{goal.figure.capitalize()} {words}, {wanted}{by}, confidence {goal.confidence:g}"
    target = f" into {node.into}" if node.show else ""
    return f"Ask {node.question.operator} {words}{target}{_demand(node)}"


def explained_gather(gather: Gather) -> str:
    """Return a plan that ends in a summary or a ranking as text, the last step first."""
    by = f" by {gather.by}" if isinstance(gather, Summarize) and gather.by is not None else ""
    first = "" if isinstance(gather, Summarize) else f", the first {gather.k:,}"
    name = type(gather).__name__
    below = "\n".join(f"  {line}" for line in explained(gather.input).splitlines())
    return f"{name} {gather.template.source!r}{by}{first}\n{below}"


def _demand(ask: Ask) -> str:
    if ask.guarantee is None or not ask.guarantee.metrics:
        return ""
    g = ask.guarantee
    levels = ", ".join(f"the best {m}" if m in g.best else f"{m} {getattr(g, m):g}" for m in g.metrics)
    within = "" if g.within is None else f" within {g.within:g}"
    by = "" if g.by is None else f" in each {g.by}"
    follow = f", followed as {ask.follow!r}" if ask.follow else ""
    return f" with {levels}{within}{by}, confidence {g.confidence:g}{follow}"


def cascade_lines(ask: AskReport) -> list[str]:
    """Return how a certified question went: what was planned as labels came in, the zones, where the calls went."""
    summary = ask.cascade
    if not summary:
        return []
    certificate = ask.certificate
    body = certificate.body if certificate is not None else {}
    lines = [f"{ask.operator} {ask.question!r}: {ask.asked:,} asked, {ask.proxied:,} by the proxy"]
    if "middle" in summary:
        lines.append(f"  {_middle(summary['middle'])}")
    lines += [f"  {_round(number, found)}" for number, found in enumerate(summary.get("rounds", []), 1)]
    for zone in summary.get("zones", []):
        lines.append(
            f"  zone {zone['name']}: {zone['rows']:,} rows, {zone['asked']:,} asked, {zone['proxied']:,} by the proxy"
        )
    if body:
        reached = ", ".join(
            f"{name} at {'most' if name == 'missed' else 'least'} {value:.4f}"
            for name, value in body["reached"].items()
            if value is not None
        )
        used = f"{body['training']:,} labels for training, {body['certifying']:,} for certifying"
        if agreement := body.get("self_agreement"):
            lines.append(
                f"  asked twice, the model agrees with itself on {agreement['agreed']} of {agreement['rows']} rows"
            )
        lines.append(f"  {used}; proved: {reached or 'nothing'} (attempt {body['attempt']}, seed {body['seed']})")
    return lines


def _round(number: int, found: dict[str, Any]) -> str:
    names = {"proxied", "accepted", "rejected", "certifying", "rest"}
    plan = ", ".join(f"{name} {value:,}" for name, value in found.items() if name in names)
    quality = f", proxy right on {found['quality']:.1%}" if found.get("quality") is not None else ""
    level = f", aiming at {found['level']:.4g}" if "level" in found else ""
    return f"round {number} ({found['stage']}, {found['asked']:,} asked so far): plan {plan}{quality}{level}"


def _middle(found: dict[str, Any]) -> str:
    """Return in one sentence what a middle model was good for, out of a cascade's summary."""
    name = found["model"]
    if not found["tried"]:
        return f"{name} was not tried: too little is left to ask for a pilot to pay"
    right = "" if found["agreed"] is None else f" (right on {found['agreed']:.0%} of the labelled ones)"
    tried = f"{name} was tried on {found['tried']:,} rows{right}"
    costs = (
        f"at {found['price']:.3g} of the price of a call the rest would cost about {found['with']:,} calls with it, "
        f"{found['without']:,} without"
    )
    if not found["adopted"]:
        return f"{tried} and isn't worth it: {costs}"
    return (
        f"{tried} and taken: {costs}; asked about {found['asked']:,} rows, {found['helped']:,} answered with its help"
    )
