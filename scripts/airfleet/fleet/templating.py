"""Expressions in values: `${{ cluster.name }}`, in Jinja2's language, sandboxed, on strings alone.

The marks are not Jinja's own `{{ }}`: Airflow's configuration is full of those, and they are Airflow's to fill in.
Policies are written in the same language, without the marks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

_MARK = re.compile(r"\$\{[{%]")
_GLOBALS = ("range", "dict")  # of Jinja's own ones; lipsum is random, and the others are of no use to a value
_RANDOM = ("random",)


class TemplateError(ValueError):
    """An expression that can't be evaluated; its text says why."""


def is_template(value: Any) -> bool:
    """Whether a value has an expression in it."""
    return isinstance(value, str) and "${" in value and bool(_MARK.search(value))


def evaluate(text: str, variables: Mapping[str, Any]) -> Any:
    """What the text comes to. A text that is one expression and nothing else keeps the type of its value.

    Raises TemplateError.
    """
    return _guarded(lambda: _compiled(text)(variables))


def expression(text: str) -> Callable[[Mapping[str, Any]], Any]:
    """The function that an expression without marks is. It and what it returns raise TemplateError."""
    compiled = _guarded(lambda: environment().compile_expression(text, undefined_to_none=False))
    return lambda variables: _guarded(lambda: _known(compiled(**variables)))


def _guarded(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except TemplateError:
        raise
    except Exception as e:  # an expression may call any filter on any value, and they raise what they like
        raise TemplateError(str(e) or type(e).__name__) from e


@lru_cache(maxsize=10_000)
def _compiled(text: str) -> Callable[[Mapping[str, Any]], Any]:
    """The text as a function of the variables."""
    from jinja2 import TemplateSyntaxError

    whole = text.strip()
    if whole.startswith("${{") and whole.endswith("}}") and not whole.startswith("${{#"):
        try:
            return expression(whole[3:-2])
        except TemplateError as e:
            if not isinstance(e.__cause__, TemplateSyntaxError):
                raise
    template = environment().from_string(text)
    return lambda variables: template.render(**variables)


def _known(value: Any) -> Any:
    """The value, if it is one that YAML can hold. An undefined one raises when it is looked at."""
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, Mapping):
        return {str(key): _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    if value is not None and not isinstance(value, str | int | float | bool):
        raise TemplateError(f"the value is a {type(value).__name__}, which values can't hold")
    if isinstance(value, float) and not math.isfinite(value):
        raise TemplateError(f"the value is {value}, which values can't hold")
    return value


def _part_of_text(value: Any) -> Any:
    """What stands in a text in place of an expression: Python's way of writing it must not get into values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float) or hasattr(value, "_undefined_name"):
        return value
    kind = "nothing" if value is None else f"a {type(value).__name__}"
    raise TemplateError(f"an expression in a text is {kind}, which is no part of a text")


@cache
def environment() -> SandboxedEnvironment:
    """Jinja2 with our marks, and without what a value must not do."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            """A map's entry before its method: `volume.items` are the items."""
            if isinstance(obj, Mapping) and attribute in obj:
                return obj[attribute]
            return super().getattr(obj, attribute)

    made = Environment(
        undefined=StrictUndefined,
        variable_start_string="${{",
        variable_end_string="}}",
        block_start_string="${%",
        block_end_string="%}",
        comment_start_string="${{#",  # not `${#`, which is a shell's
        comment_end_string="#}}",
        autoescape=False,
        keep_trailing_newline=True,
        finalize=_part_of_text,
    )
    made.globals = {name: made.globals[name] for name in _GLOBALS}
    for name in _RANDOM:
        del made.filters[name]
    return made
