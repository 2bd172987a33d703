"""The diagrams and chapters say what the templates say."""

import re
import xml.etree.ElementTree as ET

import networkx
import pytest

from tools.labs import ROOT
from tools.template_diagram import svg
from tools.template_graph import graph
from tools.templates import STACKS, stored_names, template


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_is_in_the_diagram_once(stack):
    boxes = [data["box"] for _, data in graph(stack).nodes(data=True)]
    shown = [name for box in boxes if not box.outside for name in (*box.title, *box.lines)]
    shown = [name.removeprefix("+ ") for name in shown]
    resources = template(stack)["Resources"]
    expected = [name for name, r in resources.items() if r["Type"] != "AWS::SSM::Parameter"]
    assert sorted(shown) == sorted([*expected, *stored_names(stack), "Names that it stores"])


@pytest.mark.parametrize("stack", STACKS)
def test_arrows_are_dependencies(stack):
    made, resources = graph(stack), template(stack)["Resources"]
    assert networkx.is_directed_acyclic_graph(made)
    for source, target in made.edges:
        if source in resources and len(made.nodes[source]["box"].title) == 1:
            inside = [source, *(line[2:] for line in made.nodes[source]["box"].lines)]
            assert any(name in str(resources[target]) for name in inside), (source, target)


def test_the_domain_needs_its_role_and_the_network():
    made = graph("01-sagemaker-studio-environment")
    assert set(made.predecessors("Domain")) == {"00-networking", "ExecutionRole", "InstallWorkshop"}
    assert made.nodes["00-networking"]["box"].lines == [
        "private-subnet-1-id",
        "private-subnet-2-id",
        "security-group-ids",
        "vpc-id",
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_the_picture_is_well_formed_and_boxes_do_not_overlap(stack):
    root = ET.fromstring(svg(stack))
    width, height = map(float, root.get("viewBox").split()[2:])
    boxes = [
        tuple(float(r.get(key)) for key in ("x", "y", "width", "height"))
        for r in root.iter("{http://www.w3.org/2000/svg}rect")
        if r.get("x")
    ]
    assert len(boxes) == graph(stack).number_of_nodes()
    for index, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        for x2, y2, w2, h2 in boxes[:index]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_the_costs_count_the_endpoints_that_the_template_makes():
    made = template("00-networking")["Resources"].values()
    count = sum(r["Properties"].get("VpcEndpointType") == "Interface" for r in made)
    chapter = (ROOT / "book" / "stack-00-networking.md").read_text(encoding="utf-8")
    one = re.search(r"(\d+) × 1 zone × 24 h × \$0.01, and \$0.01 a GB \| \$([\d.]+)", chapter)
    assert (int(one[1]), float(one[2])) == (count, round(count * 24 * 0.01, 2))
    total = 24 * 0.045 + 24 * 0.005 + count * 24 * 0.01
    assert f"**${total:.2f} a day**" in chapter
    assert f"${total:.2f}, or $1.20" in (ROOT / "book" / "stacks.md").read_text(encoding="utf-8")
