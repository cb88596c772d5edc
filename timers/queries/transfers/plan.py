"""The plan of a transfer in words: from where to where, and what it copies, compares, deletes, moves and keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from timers import formatting, validation
from timers.copying.bandwidth import parse_limits
from timers.models import Collection

_COMPARED = {
    None: "nothing: every file is copied",
    0: "by name: a file that exists is left alone",
    1: "by size",
    2: "by size and time: what is newer is copied",
    3: "by content, whatever its time",
}
_LINKS = {"keep": "links are made again as links", "copy": "links are replaced by what they lead to"}
_ERRORS = {
    "skip_source_errors": "what cannot be read is left out with a warning",
    "skip_destination_errors": "what cannot be written is left out with a warning",
    "fail_on_quota_errors": "a full destination ends it at once",
}
_BOUNDS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "min_age_seconds": ("only files changed at least {} ago", formatting.duration_words),
    "max_age_seconds": ("only files changed at most {} ago", formatting.duration_words),
    "min_size": ("only files of at least {}", formatting.plain_size),
    "max_size": ("only files of at most {}", formatting.plain_size),
}
MAX_NAMED_PATHS = 3


class PlanLine(NamedTuple):
    """One line of a plan; `collection` is the place that it speaks of."""

    word: str
    text: str
    collection: Collection | None = None


def plan_of(body: Mapping[str, Any]) -> list[PlanLine]:
    """Return the plan of a timer's transfer from its document, from one query."""
    ids = {name: validation.uuid(body.get(f"{name}_endpoint")) for name in ("source", "destination")}
    known = Collection.objects.in_bulk([id for id in ids.values() if id is not None])
    items = [item for item in body.get("DATA") or [] if isinstance(item, Mapping)]
    lines = [
        PlanLine(word, _paths(item.get(f"{name}_path") for item in items), known.get(ids[name]))
        for word, name in (("From", "source"), ("To", "destination"))
    ]
    return [*lines, *option_lines(body)]


def option_lines(options: Mapping[str, Any]) -> list[PlanLine]:
    """Return the lines about the options of a transfer; those that are missing have their default."""
    return [
        PlanLine("Copies", "; ".join(_copied(options))),
        PlanLine("Compares", "; ".join(_compared(options))),
        PlanLine("Deletes", _deleted(options)),
        PlanLine("Moves", _moved(options)),
        PlanLine("Keeps", _kept(options)),
        PlanLine("Limits", "; ".join(_limits(options)) or "none"),
        PlanLine("Errors", "; ".join(text for name, text in _ERRORS.items() if options.get(name)) or _FAILS),
    ]


_FAILS = "all else is copied, then it fails and names what could not be"


def _paths(paths: Iterable[Any]) -> str:
    named = [str(path) for path in paths]
    more = len(named) - MAX_NAMED_PATHS
    return formatting.joined([*named[:MAX_NAMED_PATHS], *([f"{more:,} more"] if more > 0 else [])])


def _copied(options: Mapping[str, Any]) -> Iterator[str]:
    rules = options.get("filter_rules") or []
    yield f"what {formatting.count_of(len(rules), 'filter rule')} let through" if rules else "everything"
    for name, (words, write) in _BOUNDS.items():
        if options.get(name) is not None:
            yield words.format(write(options[name]))
    if links := _LINKS.get(options.get("recursive_symlinks") or ""):
        yield links
    if options.get("preserve_timestamp"):
        yield "times are kept"
    if options.get("preserve_permissions"):
        yield "permissions are kept"


def _compared(options: Mapping[str, Any]) -> Iterator[str]:
    yield _COMPARED.get(options.get("sync_level"), "")
    verified = options.get("verify_checksum", True) or options.get("delete_source")
    yield "every copy is verified" if verified else "copies are not verified"


def _deleted(options: Mapping[str, Any]) -> str:
    if not options.get("delete_destination_extra"):
        return "nothing at the destination"
    limit = options.get("max_delete")
    most = "1,000, or a quarter of what is there" if limit is None else f"{limit:,}"
    return f"what the source does not hold, at most {most}"


def _moved(options: Mapping[str, Any]) -> str:
    if not options.get("delete_source"):
        return "nothing: the source stays as it is"
    return "what was verified at the destination is deleted at the source"


def _kept(options: Mapping[str, Any]) -> str:
    kept = options.get("keep_replaced")
    return f"what is replaced or deleted, in {kept['path']}" if kept else "no old versions"


def _limits(options: Mapping[str, Any]) -> Iterator[str]:
    if options.get("max_bytes_per_second") is not None:
        yield f"{formatting.plain_size(options['max_bytes_per_second'])}/s"
    yield from (limit.describe() for limit in parse_limits(options.get("bandwidth")))
    if options.get("max_concurrency") is not None:
        yield f"{formatting.count_of(options['max_concurrency'], 'file')} at a time"
    if options.get("encrypt_data"):
        yield "encrypted connections only"
