"""Layers laid over each other, with the place of every value that is left. Pure: nodes in, nodes out.

Maps are merged; everything else replaces what is below it, as Helm does with several `-f`. Beyond Helm:
a list with a declared key is merged item by item, `$delete` forgets what lower layers say about a key, and
`{$replace: true, ...}` forgets what they say about a map. null is Helm's own and stays: it removes a chart's default.

overlay() is associative, since directives are kept until the end: the layers that many clusters share are merged once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

from airfleet.fleet.documents import Deleted, Leaf, Node, Table
from airfleet.fleet.model import Finding, KeyPath, dotted, list_key


def overlay(below: Table, above: Table) -> Table:
    """above laid over below."""
    if above.replaces:
        return above
    entries = dict(below.entries)
    for name, node in above.entries.items():
        entries[name] = _over(entries.get(name), node)
    return replace(below, entries=entries, place=above.place, layer=above.layer)


def merge(layers: Iterable[Table]) -> Table:
    """All layers, the widest first."""
    return reduce(overlay, layers)


def _over(below: Node | None, above: Node) -> Node:
    if below is None or not isinstance(above, Table):
        return above
    if isinstance(below, Table) and bool(below.item_key) == bool(above.item_key):
        return overlay(below, above)
    # What stood here was no map: whatever is laid below both of them is not seen through it.
    return replace(above, replaces=True)


def keyed(table: Table, list_keys: Mapping[KeyPath, str]) -> tuple[Table, list[Finding]]:
    """The same layer, its lists at declared paths as tables of items; and what is wrong with items and directives.

    `*` in a declared path stands for any key. A list elsewhere stays one value.
    """
    findings: list[Finding] = []
    found = _keyed(table, (), list_keys, findings)
    return (found if isinstance(found, Table) else table), findings


def _keyed(node: Node, path: KeyPath, patterns: Mapping[KeyPath, str], findings: list[Finding]) -> Node:
    if isinstance(node, Leaf) and isinstance(node.value, list):
        if not (key := list_key(path, patterns)):
            for item in node.items:
                findings += _without_directives(item, path)
            return node
        node = _items(node, path, key, findings)
    if not isinstance(node, Table):
        return node
    if misplaced := node.entries.get("$delete"):
        fix = "write `key: $delete`; {..., $delete: true} is for the items of a list that is merged by key"
        what = f"$delete is a value, and here it is a key of {dotted(path) or 'the top'}"
        findings.append(Finding(misplaced.place, "directive", what, fix=fix))
    entries = {name: _keyed(entry, (*path, name), patterns, findings) for name, entry in node.entries.items()}
    return node if all(entries[name] is node.entries[name] for name in entries) else replace(node, entries=entries)


def _without_directives(node: Node, path: KeyPath) -> Iterator[Finding]:
    """A list that is one value has no lower layers to forget."""
    if isinstance(node, Deleted) or (isinstance(node, Table) and (node.replaces or "$delete" in node.entries)):
        what = f"the list {dotted(path)} is replaced as a whole, so nothing in it can be deleted or begin anew"
        fix = "leave the directive out, or declare the list's key in listKeys of fleet.yaml"
        yield Finding(node.place, "directive", what, fix=fix)
    below = node.entries.values() if isinstance(node, Table) else node.items if isinstance(node, Leaf) else ()
    for each in below:
        yield from _without_directives(each, path)


def _items(node: Leaf, path: KeyPath, key: str, findings: list[Finding]) -> Table:
    entries: dict[str, Node] = {}
    replaces = False
    for number, item in enumerate(node.items):
        if isinstance(item, Table) and item.replaces and not item.entries and number == 0:
            replaces = True
            continue
        own = item.entries.get(key) if isinstance(item, Table) else None
        name = f"[{own.value}]" if isinstance(own, Leaf) and own.value is not None else ""
        sealed = isinstance(own, Leaf) and own.sealed
        if name and name not in entries and not sealed:
            entries[name] = _item(item)
            continue
        why = f"there are two whose {key} is {name[1:-1]}" if name else f"this item has no {key}"
        if sealed:
            why = f"this item's {key} is encrypted"
        what = f"the items of {dotted(path)} are merged by their key {key}"
        fix = f"give each item a {key} of its own, or take the list out of listKeys in fleet.yaml"
        findings.append(Finding(item.place, "list-key", what, why, fix))
    return Table(entries, node.place, node.layer, replaces, key)


def _item(item: Node) -> Node:
    """An item; {key: x, $delete: true} is the item's deletion."""
    if isinstance(item, Table):
        gone = item.entries.get("$delete")
        if isinstance(gone, Leaf) and gone.value is True:
            return Deleted(item.place, item.layer)
    return item
