"""What a template's diagram shows: boxes of resources, and which of them another one needs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import networkx

from tools.templates import STACKS, find, stored_names, template

# Small resources stand in the box of the one that they belong to, which this property names.
PART_OF = {
    "AWS::EC2::SubnetRouteTableAssociation": "RouteTableId",
    "AWS::EC2::Route": "RouteTableId",
    "AWS::EC2::VPCGatewayAttachment": "InternetGatewayId",
    "AWS::EC2::SecurityGroupIngress": "GroupId",
    "AWS::EC2::SecurityGroupEgress": "GroupId",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::KMS::Alias": "TargetKeyId",
    "AWS::IAM::ManagedPolicy": "Roles",
}


@dataclass
class Box:
    """One box: `title`, what `kind` of thing it is, further `lines`, and how it is drawn."""

    title: list[str]
    kind: str
    lines: list[str] = field(default_factory=list)
    optional: bool = False  # there only under a condition of the template
    outside: bool = False  # not of this stack


def references(node: Any, known: set[str]) -> set[str]:
    """The logical ids among `known` that `node` refers to by Ref, GetAtt, Sub or DependsOn."""
    found = set(find(node, "Ref")) | {value[0] for value in find(node, "Fn::GetAtt")}
    for text in find(node, "Fn::Sub"):
        found |= set(re.findall(r"\$\{([A-Za-z0-9]+)", text if isinstance(text, str) else text[0]))
    for name in find(node, "DependsOn"):
        found |= {name} if isinstance(name, str) else set(name)
    return found & known


def _kind(name: str) -> str:
    if name.startswith("Custom::"):
        return "custom resource"
    return " ".join(name.split("::")[1:])


def _outside(stack: str, resource: dict[str, Any]) -> dict[str, list[str]]:
    """The stored names that a resource reads, by the earlier stack that stores them."""
    names = set(re.findall(r"\{\{resolve:ssm:/\$\{ProjectName\}/([a-z0-9-]+)\}\}", json.dumps(resource)))
    found: dict[str, list[str]] = {}
    for other in STACKS[: STACKS.index(stack)]:
        mine = sorted(names & stored_names(other).keys())
        if mine:
            found[other] = mine
    return found


def graph(stack: str) -> networkx.DiGraph:
    """Boxes of the template, as node attribute `box`; an edge leads from what is needed to what needs it."""
    resources = template(stack)["Resources"]
    parts = {name: owner for name, r in resources.items() if (owner := _owner(name, r, resources))}
    stored = [name for name, r in resources.items() if r["Type"] == "AWS::SSM::Parameter"]
    whole = [name for name in resources if name not in parts and name not in stored]
    needs = {name: references(resources[name], set(resources)) - {name} for name in whole}
    needs = {name: {parts.get(n, n) for n in found} - {name} for name, found in needs.items()}
    made = networkx.DiGraph()
    box_of = {}
    for name, group in _alike(whole, needs, resources).items():
        box_of |= dict.fromkeys(group, name)
        inside = [part for part, owner in parts.items() if owner in group]
        made.add_node(
            name,
            box=Box(
                title=group,
                kind=_kind(resources[name]["Type"]) + (f" × {len(group)}" if len(group) > 1 else ""),
                lines=[f"+ {part}" for part in inside],
                optional="Condition" in resources[name],
            ),
        )
    for name in whole:
        made.add_edges_from((box_of[n], box_of[name]) for n in needs[name] if box_of[n] != box_of[name])
        for other, names in _outside(stack, resources[name]).items():
            made.add_node(other) if other not in made else None
            box = made.nodes[other].setdefault("box", Box([other], "names it stored", outside=True))
            box.lines = sorted({*box.lines, *names})
            made.add_edge(other, box_of[name])
    made = _reduced(made)
    if stored:
        texts = [resources[name]["Properties"]["Name"]["Fn::Sub"].rsplit("/", 1)[-1] for name in stored]
        made.add_node("SSM", box=Box(["Names that it stores"], "SSM Parameter Store", texts))
    return made


def _owner(name: str, resource: dict[str, Any], resources: dict[str, Any]) -> str | None:
    """The resource in whose box this one stands, if it is a small one."""
    key = PART_OF.get(resource["Type"])
    owners = references(resource["Properties"].get(key), set(resources)) if key else set()
    return min(owners) if owners else None


def _alike(whole: list[str], needs: dict[str, set[str]], resources: dict[str, Any]) -> dict[str, list[str]]:
    """Resources of one type and condition that need the same ones: first name of each group to its members."""
    groups: dict[tuple, list[str]] = {}
    for name in whole:
        key = (resources[name]["Type"], resources[name].get("Condition"), frozenset(needs[name]))
        groups.setdefault(key, []).append(name)
    return {group[0]: group for group in groups.values()}


def _reduced(made: networkx.DiGraph) -> networkx.DiGraph:
    """Without the edges that follow from others."""
    reduced = networkx.transitive_reduction(made)
    reduced.add_nodes_from(made.nodes(data=True))
    return reduced
