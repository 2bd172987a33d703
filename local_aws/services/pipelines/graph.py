"""Directed graphs of step names, given as {step: its upstream steps}."""

from collections.abc import Iterable, Mapping

Graph = Mapping[str, Iterable[str]]


def find_cycle(graph: Graph) -> list[str] | None:
    """One cycle as its steps in the order of their work, the first one again at the end; None without."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, iter(graph[start]))] if start not in done else []
        if stack:
            path.append(start)
            on_path.add(start)
        while stack:
            node, upstream = stack[-1]
            following = next((u for u in upstream if u not in done), None)
            if following is None:
                stack.pop()
                done.add(path.pop())
                on_path.discard(node)
            elif following in on_path:
                cycle = path[path.index(following) :]
                return [following, *reversed(cycle)]
            else:
                stack.append((following, iter(graph[following])))
                path.append(following)
                on_path.add(following)
    return None


def ancestors(graph: Graph, names: Iterable[str]) -> set[str]:
    """Every step that `names` wait for, directly or not, without `names` themselves."""
    found: set[str] = set()
    todo = list(names)
    start = set(todo)
    while todo:
        for name in graph[todo.pop()]:
            if name not in found:
                found.add(name)
                todo.append(name)
    return found - start


def between(graph: Graph, names: Iterable[str]) -> set[str]:
    """Steps on a path between two of `names` that are not among them themselves."""
    chosen = set(names)
    downstream: dict[str, list[str]] = {}
    for name, upstream in graph.items():
        for source in upstream:
            downstream.setdefault(source, []).append(name)
    above = ancestors(graph, chosen)
    below = ancestors({name: downstream.get(name, []) for name in graph}, chosen)
    return (above & below) - chosen


def connected(graph: Graph, names: Iterable[str]) -> bool:
    """True when `names` hang together through edges among themselves."""
    chosen = set(names)
    neighbors: dict[str, set[str]] = {name: set() for name in chosen}
    for name in chosen:
        for source in graph[name]:
            if source in chosen:
                neighbors[name].add(source)
                neighbors[source].add(name)
    seen: set[str] = set()
    todo = [next(iter(chosen))] if chosen else []
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(neighbors[name])
    return seen == chosen
