"""A plan as text, highest step first."""

from __future__ import annotations

from rowsight.plan.nodes import Ask, Limit, Node, Project, Scan, Where


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
            target = f" into {node.into}" if node.show else ""
            return f"Ask {node.question.operator} {node.question.template.source!r}{target}{_demand(node)}"


def _demand(ask: Ask) -> str:
    if ask.guarantee is None:
        return ""
    g = ask.guarantee
    levels = ", ".join(f"{m} {getattr(g, m):g}" for m in g.metrics)
    within = "" if g.within is None else f" within {g.within:g}"
    by = "" if g.by is None else f" in each {g.by}"
    return f" with {levels}{within}{by}, confidence {g.confidence:g}"
