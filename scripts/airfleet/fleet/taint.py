"""Secrets, and how they are kept out of everything that is shown.

An encrypted layer is read without its key: each encrypted value is replaced by a placeholder, `(secret 1a2b3c)`, which
is made of a digest of the *encrypted* text. It is the same in every run, another one for another secret, and tells
nothing of the secret. So renderings, diffs and explanations hold no secret in the first place; only what writes to a
cluster asks for the values themselves (see `secrets`), and whatever is told of that is taken from the rendering with
placeholders.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from airfleet.fleet.changes import item_names, same
from airfleet.fleet.documents import Deleted, Leaf, Node, Scalar, Table, plain

SECRET = "(secret)"  # noqa: S105
OTHER = "(another secret)"
_ENCRYPTED = re.compile(r"ENC\[AES256_GCM,data:.*,type:([a-z]+)\]", re.DOTALL)
_PLACEHOLDER = re.compile(r"\(secret [0-9a-f]{6}\)")


def is_encrypted(value: Any) -> bool:
    """Whether a value is as SOPS writes an encrypted one."""
    return isinstance(value, str) and value.startswith("ENC[") and bool(_ENCRYPTED.fullmatch(value))


def is_placeholder(value: Any) -> bool:
    """Whether a text stands for a secret."""
    return isinstance(value, str) and bool(_PLACEHOLDER.fullmatch(value))


def placeholder(encrypted: str) -> Scalar:
    """What stands for an encrypted value: of the same type, so that charts and schemas take it."""
    match = _ENCRYPTED.fullmatch(encrypted)
    digest = _digest(encrypted)
    kind = match[1] if match else "str"
    if kind == "bool":
        return True
    if kind == "int":
        return 10000 + int(digest, 16) % 50000
    if kind == "float":
        return 10000 + int(digest, 16) % 50000 + 0.5
    return f"(secret {digest[:6]})"


def sealed(table: Table) -> Table:
    """A layer with placeholders in place of its encrypted values."""
    found = _sealed(table)
    return found if isinstance(found, Table) else table


def _sealed(node: Node) -> Node:
    if isinstance(node, Table):
        return replace(node, entries={name: _sealed(entry) for name, entry in node.entries.items()})
    if isinstance(node, Deleted):
        return node
    if node.items:
        items = tuple(_sealed(item) for item in node.items)
        marks = "".join(mark for item in items for mark in seals(item))
        mark = _digest(marks) if marks else ""
        return replace(node, value=[plain(item) for item in items], items=items, sealed=mark)
    if is_encrypted(node.value):
        return replace(node, value=placeholder(str(node.value)), sealed=_digest(str(node.value)))
    return node


def seals(node: Node) -> Iterator[str]:
    """The digests of the secrets at and below a node."""
    if isinstance(node, Table):
        for entry in node.entries.values():
            yield from seals(entry)
    elif isinstance(node, Leaf) and node.sealed:
        yield node.sealed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def masked(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Two states of an object without the data of a Secret, but so that one sees which entries differ."""
    return _masked(before, None), _masked(after, before)


def _masked(obj: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if obj is None or not is_secret(obj):
        return obj
    shown = dict(obj)
    for key in ("data", "stringData"):
        if isinstance(entries := obj.get(key), Mapping):
            there = (other or {}).get(key) or {}
            shown[key] = {name: _hidden(value, there.get(name, value)) for name, value in entries.items()}
    return shown


def is_secret(obj: Mapping[str, Any]) -> bool:
    """Whether an object is a Secret of Kubernetes."""
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def _hidden(value: Any, other: Any) -> str:
    for text in (value, _decoded(value)):
        if is_placeholder(text):
            return str(text)
    return SECRET if value == other else OTHER


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def hidden_like(value: Any, real: Any, stand_in: Any, reference: Any) -> Any:
    """A state of an object as it may be shown, given what is rendered of it with secrets and with placeholders.

    Where the two differ, the value comes from a secret: it is told as its placeholder if it is that of the reference,
    another state, and as another secret if not. What is not rendered at all stays.
    """
    if isinstance(value, Mapping) and isinstance(real, Mapping):
        if not isinstance(stand_in, Mapping):
            return _blank(value)
        others = reference if isinstance(reference, Mapping) else {}
        return {
            key: hidden_like(entry, real[key], stand_in.get(key), others.get(key)) if key in real else entry
            for key, entry in value.items()
        }
    if isinstance(value, list) and isinstance(real, list):
        if not isinstance(stand_in, list) or len(stand_in) != len(real):
            return _blank(value)
        items = reference if isinstance(reference, list) else []
        own, names, referred = item_names(value, real, items)
        rendered = dict(zip(names, zip(real, stand_in, strict=True), strict=True))
        known = dict(zip(referred, items, strict=True))
        return [
            hidden_like(item, *rendered[name], known.get(name)) if name in rendered else item
            for name, item in zip(own, value, strict=True)
        ]
    if same(real, stand_in):
        return value
    return _told(stand_in) if same(value, reference) else OTHER


def _told(stand_in: Any) -> Any:
    return stand_in if isinstance(stand_in, str) and "(secret " in stand_in else SECRET


def _blank(value: Any) -> Any:
    """The shape of a value whose origin is not known, with nothing in it."""
    if isinstance(value, Mapping):
        return {key: _blank(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return SECRET


class Redactor:
    """Takes secrets out of a text that somebody else wrote, such as an error of Helm's or of an API server.

    The last line of defence: whatever is told of a release comes from the rendering with placeholders anyway.
    """

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        self._patterns: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[Any]) -> None:
        """Hide these values, too, in whichever way programs write them."""
        found = {form for secret in secrets for form in _forms(secret)}
        self._patterns = sorted({*self._patterns, *found}, key=lambda pattern: (-len(pattern), pattern))

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        if not self._patterns:
            return text
        return re.sub("|".join(self._patterns), SECRET, text)


def _forms(secret: Any) -> Iterator[str]:
    """Regular expressions for a secret as text, in JSON, in Go's quotes, in YAML's lines and in base64."""
    if secret is None or isinstance(secret, bool) or secret == "":
        return
    text = secret if isinstance(secret, str) else json.dumps(secret)
    for form in {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.replace("'", "''")}:
        yield _whole(form)
    yield from (_whole(line.strip()) for line in text.splitlines() if len(line.strip()) > 3)
    encoded = base64.b64encode(text.encode()).decode()
    yield re.escape(encoded)


def _whole(text: str) -> str:
    """A short secret is hidden where it is a word: hiding each `a` of a text tells what the secret is."""
    escaped = re.escape(text)
    return escaped if len(text) > 3 else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
