"""The parts that pages are made of: breadcrumb, card, notes, buttons with their forms, pager, empty state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.forms import BoundField
from django.http import QueryDict
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from timers.models import Collection, Timer, WorkflowDefinition
from timers.templatetags.icons import icon

register = template.Library()

MAX_CRUMB_LENGTH, MAX_CURRENT_LENGTH = 60, 80
LEGEND: Mapping[str, str] = {
    "completed": '<rect class="mark is-ok" y="1" width="10" height="10" rx="3"/>',
    "ran": '<rect class="mark is-ok" y="1" width="10" height="10" rx="3"/>',
    "not completed": '<rect class="mark is-bad" y="1" width="10" height="10" rx="3"/>',
    "failed": '<path class="mark cross" d="M1 2l8 8M9 2l-8 8"/>',
    "running": '<rect class="mark open is-run" x="1" y="1.5" width="9" height="9" rx="3"/>',
    "skipped": '<circle class="mark is-idle" cx="5" cy="6" r="2.5"/>',
    "planned": '<rect class="mark plan" x="1" y="1.5" width="10" height="9" rx="3"/>',
    "paused": '<path class="mark hold" d="M1 6h11"/>',
    "waiting": '<path class="mark wait" d="M1 6h11"/>',
    "too many to look at": '<rect class="mark unseen" y="1" width="10" height="10" rx="3"/>',
    "median": '<line class="median" x1="0" x2="12" y1="6" y2="6"/>',
    "p95": '<line class="p95" x1="0" x2="12" y1="6" y2="6"/>',
}
"""Mark -> its drawing, as the pictures draw it."""


# Where a page is


@register.inclusion_tag("timers/components/breadcrumb.html")
def breadcrumb(
    section: str,
    current: str | WorkflowDefinition,
    *,
    parent: Timer | Collection | WorkflowDefinition | None = None,
    address: str = "",
) -> dict[str, Any]:
    """Show the way to a page: its section (the name of a list page), the page above it, and itself."""
    crumbs = [(address or reverse(section), section.title())]
    if parent is not None:
        crumbs.append(_page_of(parent))
    return {"crumbs": crumbs, "current": Truncator(str(current)).chars(MAX_CURRENT_LENGTH)}


def _page_of(thing: Timer | Collection | WorkflowDefinition) -> tuple[str, str]:
    """Return address and short name of a thing's page."""
    match thing:
        case Timer():
            name, text = "timer", thing.name
        case Collection():
            name, text = "collection", thing.display_name
        case _:
            name, text = "workflow", str(thing)
    return reverse(name, args=[thing.pk]), Truncator(text).chars(MAX_CRUMB_LENGTH)


# Boxes


@register.simple_block_tag
def card(content: str, title: str, *, id: str = "", swap: bool = False, body: str = "") -> SafeString:
    """Return a card with a title; `body` names more classes of its body, `swap` makes it replace the one shown."""
    return format_html(
        '<section class="card"{}{}><header><h2>{}</h2></header><div class="body{}">{}</div></section>',
        _attribute("id", id),
        _attribute("hx-swap-oob", "true" if swap else ""),
        title,
        f" {body}" if body else "",
        content,
    )


@register.simple_block_tag
def card_header(content: str, title: str) -> SafeString:
    """Return the head of a card with controls beside its title."""
    return format_html('<header><h2>{}</h2><div class="acts">{}</div></header>', title, content)


@register.simple_block_tag
def note(content: str, tone: str, icon_name: str, *, role: str = "") -> SafeString:
    """Return a note to the reader in one of the tones ok, bad, run, wait, idle."""
    return format_html(
        '<div class="note is-{}"{}>{}<div>{}</div></div>', tone, _attribute("role", role), icon(icon_name), content
    )


@register.simple_block_tag
def alert(content: str, *, focus: bool = False) -> SafeString:
    """Return what went wrong; with `focus` a script can move the focus to it."""
    return format_html(
        '<div class="alert is-bad" role="alert"{}>{}<div>{}</div></div>',
        _attribute("tabindex", "-1" if focus else ""),
        icon("alert"),
        content,
    )


@register.simple_block_tag
def empty_state(content: str, icon_name: str, text: str) -> SafeString:
    """Return what stands instead of an empty list: why it is empty, and buttons for what to do next."""
    return format_html('<div class="empty">{}<p>{}</p><div class="btns">{}</div></div>', icon(icon_name), text, content)


@register.simple_tag
def code_block(label: str, text: object, *, id: str = "") -> SafeString:
    """Return the text of a machine in a box that scrolls and can be reached by keyboard."""
    return format_html(
        '<pre class="code"{} tabindex="0" role="region" aria-label="{}">{}</pre>', _attribute("id", id), label, text
    )


@register.simple_tag
def legend(*names: str) -> SafeString:
    """Return what the marks of a picture mean; an empty name stands for none."""
    return format_html(
        '<span class="legend">{}</span>', format_html_join("", "{}", ((key(name),) for name in names if name))
    )


@register.simple_tag
def key(name: str, text: object = None) -> SafeString:
    """Return one entry of a legend; its text is the name of the mark, or what is given."""
    return format_html("<span>{}{}</span>", mark(name), name if text is None else text)


@register.simple_tag
def mark(name: str) -> SafeString:
    """Return the small drawing of a mark."""
    return format_html('<svg viewBox="0 0 12 12" aria-hidden="true">{}</svg>', mark_safe(LEGEND[name]))


# Forms, buttons, links


@register.inclusion_tag("timers/components/field_row.html")
def field_row(*fields: BoundField, widest: BoundField | None = None) -> dict[str, Any]:
    """Show fields side by side; the widest one takes most of the row."""
    return {"fields": [(field, "wide" if field is widest else "") for field in fields]}


@register.simple_tag(takes_context=True)
def post_button(
    context: Mapping[str, Any],
    label: str,
    url_name: str,
    *args: object,
    icon_name: str = "",
    kind: str = "",
    of: str = "",
    shortcut: str = "",
    **fields: object,
) -> SafeString:
    """Return a button that posts to a URL; `of` completes its name for readers, `fields` are sent with it."""
    return format_html(
        '<form method="post" action="{}">{}{}<button class="btn{}"{}{}>{}{}</button></form>',
        reverse(url_name, args=args),
        _token(context),
        format_html_join("", '<input type="hidden" name="{}" value="{}">', fields.items()),
        f" {kind}" if kind else "",
        _attribute("data-key", shortcut),
        _attribute("aria-label", f"{label}: {of}" if of else ""),
        icon(icon_name) if icon_name else "",
        label,
    )


def _token(context: Mapping[str, Any]) -> SafeString:
    return format_html('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', get_token(context["request"]))


@register.simple_tag(takes_context=True)
def choice_links(
    context: Mapping[str, Any],
    label: str,
    choices: Iterable[tuple[str, str]],
    chosen: str,
    *,
    parameter: str = "status",
    page: str = "",
    drop: str = "marker",
    anchor: str = "",
) -> SafeString:
    """Return links that filter a list by one parameter of the query; `drop` names one that does not outlive it."""
    links = (
        (
            _link(context, page, anchor, **{parameter: value or None, drop: None}),
            _attribute("aria-current", "true" if value == chosen else ""),
            text,
        )
        for value, text in choices
    )
    return format_html(
        '<nav class="seg" aria-label="{}">{}</nav>', label, format_html_join("", '<a href="{}"{}>{}</a>', links)
    )


@register.simple_tag(takes_context=True)
def pager(
    context: Mapping[str, Any],
    following: str | None,
    *,
    parameter: str = "marker",
    newest: str = "Newest",
    older: str = "Older",
    page: str = "",
    anchor: str = "",
) -> SafeString:
    """Return the links to a list's first page, when another one is shown, and to the following one."""
    links = []
    if context["request"].GET.get(parameter):
        links.append((_link(context, page, anchor, **{parameter: None}), newest))
    if following:
        links.append((_link(context, page, anchor, **{parameter: following}), older))
    return format_html_join("", '<a class="btn small" href="{}">{}</a>', links)


def _link(context: Mapping[str, Any], page: str, anchor: str, **changes: str | None) -> str:
    """Return the address of a page with the reader's query, changed; the page shown, when none is named."""
    request = context["request"]
    query: QueryDict = (context.get("query") or request.GET).copy()
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = value
    return (reverse(page) if page else request.path) + (f"?{query.urlencode()}" if query else "") + anchor


def _attribute(name: str, value: str) -> SafeString:
    return format_html(' {}="{}"', name, value) if value else mark_safe("")
