"""Architecture diagrams made from the templates: `python -m tools.template_diagram STACK OUT.svg`.

Layered from top to bottom: what is needed stands above what needs it. Long lines are led around the boxes.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import networkx

from tools.template_graph import Box, graph

WIDTH, GAP, ROW_GAP, LINE, PAD = 212, 22, 46, 16, 9
PER_ROW = 4  # boxes side by side, so that the text stays readable on a page
COLORS = {  # by service: fill, border
    "EC2": ("#eef4fb", "#3b6ea5"),
    "IAM": ("#fdf1f0", "#b5473c"),
    "Logs": ("#f4f1fa", "#6b559b"),
    "SageMaker": ("#eaf7f3", "#1c7d62"),
    "Lambda": ("#fff6e6", "#b9770e"),
    "custom": ("#fff6e6", "#b9770e"),
    "CodeCommit": ("#eef4fb", "#3b6ea5"),
    "CodeBuild": ("#eef4fb", "#3b6ea5"),
    "CodePipeline": ("#eef4fb", "#3b6ea5"),
    "Events": ("#fbeff6", "#a5407c"),
    "S3": ("#eff7ea", "#4c7a2a"),
    "KMS": ("#fdf1f0", "#b5473c"),
    "SSM": ("#f3f3f3", "#666666"),
}


def _text(box: Box) -> list[str]:
    """The lines of a box; a long list of names is broken."""
    lines = [*box.title, f"({box.kind})", *box.lines]
    return [line if len(line) <= 34 else line[:33] + "…" for line in lines]


def _height(box: Box) -> int:
    return len(_text(box)) * LINE + 2 * PAD


def _rows(made: networkx.DiGraph) -> dict[str, int]:
    """The row of each box: below all that it needs, with at most PER_ROW boxes in a row."""
    rows: dict[str, int] = {}
    filled: dict[int, int] = {}
    order = networkx.lexicographical_topological_sort(
        made, key=lambda n: (-len(networkx.descendants(made, n)), n)
    )
    for name in order:
        row = 1 + max((rows[n] for n in made.predecessors(name)), default=-1)
        while filled.get(row, 0) >= PER_ROW:
            row += 1
        rows[name] = row
        filled[row] = filled.get(row, 0) + 1
    if "SSM" in rows and made.degree("SSM") == 0:
        rows["SSM"] = max(rows.values()) + 1
    return rows


def _with_bends(made: networkx.DiGraph, rows: dict[str, int]) -> tuple[networkx.DiGraph, dict]:
    """Each edge over several rows gets a bend in every row between; rows of the bends are added to `rows`."""
    routed = networkx.DiGraph()
    routed.add_nodes_from(made.nodes)
    for source, target in made.edges:
        last = source
        for row in range(rows[source] + 1, rows[target]):
            bend = ("bend", source, target, row)
            rows[bend] = row
            routed.add_edge(last, bend)
            last = bend
        routed.add_edge(last, target)
    return routed, rows


def _order(routed: networkx.DiGraph, rows: dict) -> list[list]:
    """Names row by row, sorted so that lines cross seldom: each goes towards the middle of its neighbors."""
    layers = [[n for n in routed if rows[n] == row] for row in range(max(rows.values()) + 1)]
    for sweep in range(24):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            place = {n: i / max(len(other) - 1, 1) for other in layers for i, n in enumerate(other)}
            near = routed.predecessors if down else routed.successors
            middle = {}
            for name in layer:
                around = [place[n] for n in near(name)]
                middle[name] = sum(around) / len(around) if around else place[name]
            layer.sort(key=middle.get)
    return layers


def _placed(layers: list[list], routed: networkx.DiGraph, made: networkx.DiGraph) -> tuple[dict, int, int]:
    """x (middle) and y (top) of each box and bend, and the size of the drawing."""
    wide = {n: WIDTH if n in made else 14 for layer in layers for n in layer}
    total = [sum(wide[n] for n in layer) + GAP * (len(layer) - 1) for layer in layers]
    full = max(total)
    x, y, top = {}, {}, 12
    for layer, width in zip(layers, total, strict=True):
        left = 12 + (full - width) / 2
        for name in layer:
            x[name] = left + wide[name] / 2
            y[name] = top
            left += wide[name] + GAP
        top += max((_height(made.nodes[n]["box"]) for n in layer if n in made), default=0) + ROW_GAP
    for _ in range(12):  # nudge towards the neighbors, where there is room
        for layer in layers:
            for index, name in enumerate(layer):
                around = [x[n] for n in (*routed.predecessors(name), *routed.successors(name))]
                if not around:
                    continue
                low = (
                    x[layer[index - 1]] + (wide[layer[index - 1]] + wide[name]) / 2 + GAP
                    if index
                    else 12 + wide[name] / 2
                )
                after = layer[index + 1] if index + 1 < len(layer) else None
                high = (
                    x[after] - (wide[after] + wide[name]) / 2 - GAP if after else 12 + full - wide[name] / 2
                )
                x[name] = min(max(sum(around) / len(around), low), max(high, low))
    return {n: (x[n], y[n]) for n in x}, int(full + 24), int(top - ROW_GAP + 12)


def _box(box: Box, x: float, y: float) -> str:
    service = box.kind.split()[0]
    fill, border = ("#ffffff", "#888888") if box.outside else COLORS.get(service, ("#f3f3f3", "#666666"))
    dashed = ' stroke-dasharray="5 4"' if box.optional or box.outside else ""
    text = []
    for index, line in enumerate(_text(box)):
        style = ' font-weight="bold" fill="#1b2b3a"' if index < len(box.title) else ' fill="#46586a"'
        text.append(
            f'<text x="{x:.0f}" y="{y + PAD + 12 + index * LINE:.0f}" text-anchor="middle"{style}>{escape(line)}</text>'
        )
    rectangle = (
        f'<rect x="{x - WIDTH / 2:.0f}" y="{y:.0f}" width="{WIDTH}" height="{_height(box)}" rx="7" '
        f'fill="{fill}" stroke="{border}" stroke-width="1.4"{dashed}/>'
    )
    return "\n".join([rectangle, *text])


def _lines(made: networkx.DiGraph, places: dict, rows: dict) -> list[str]:
    """One path an edge, from the lower side of a box over its bends to the upper side of the other."""
    paths = []
    heights = {}
    for name in made:
        row = rows[name]
        heights[row] = max(heights.get(row, 0), _height(made.nodes[name]["box"]))
    for source, target in made.edges:
        x, y = places[source]
        points = [(x, y + _height(made.nodes[source]["box"]))]
        for row in range(rows[source] + 1, rows[target]):
            bend_x, bend_y = places["bend", source, target, row]
            points += [(bend_x, bend_y), (bend_x, bend_y + heights.get(row, 0))]
        points.append((places[target][0], places[target][1] - 2))
        path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
        for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
            middle = (y1 + y2) / 2
            path += f" C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
        paths.append(
            f'<path d="{path}" fill="none" stroke="#7a8894" stroke-width="1.3" marker-end="url(#a)"/>'
        )
    return paths


def svg(stack: str) -> str:
    """The diagram of the stack's template as SVG; the same template gives the same text."""
    made = graph(stack)
    rows = _rows(made)
    routed, rows = _with_bends(made, rows)
    places, width, height = _placed(_order(routed, rows), routed, made)
    boxes = [_box(made.nodes[name]["box"], *places[name]) for name in made]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="12.5" role="img" aria-labelledby="t">',
            f'<title id="t">The resources of {stack} and what each of them needs</title>',
            '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L10 5L0 10z" fill="#7a8894"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_lines(made, places, rows),
            *boxes,
            "</svg>\n",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    stack, out = sys.argv[1:] if argv is None else argv
    Path(out).write_text(svg(stack), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
