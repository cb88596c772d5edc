"""Picking paths of two collections: which folders are open, and which pairs of paths were chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from timers.copying import paths

SIDES = ("source", "destination")


@dataclass(frozen=True)
class Side:
    """One side of a transfer as it was sent: the collection, and the folder that is open there; empty for none."""

    collection: str = ""
    folder: str = ""

    @property
    def base(self) -> str:
        """The open folder with a slash at its end."""
        return f"{self.folder.rstrip('/')}/" if self.folder else ""


@dataclass(frozen=True)
class FileChoice:
    """Pairs of paths chosen so far; `said` tells what the last button did."""

    source: Side
    destination: Side
    pairs: tuple[tuple[str, str], ...] = ()
    rows: int = 1
    said: str = ""

    def carry_out(self, button: str, *, home: str) -> FileChoice:
        """Return the choice after a button: "open:source:/raw/", "close:source", "add:/raw/a", "use:/to/", "remove:2"
        or "more". `home` is the destination's own folder for what has no other place. Anything else changes nothing.
        """
        verb, _, rest = button.partition(":")
        match verb:
            case "open" | "close":
                name, _, path = rest.partition(":")
                return self._with_folder(name, (path or "/") if verb == "open" else "") if name in SIDES else self
            case "add" if rest:
                return self._with(rest, home)
            case "use" if rest:
                return self._into(rest)
            case "remove" if rest.isdecimal() and len(rest) < 6:
                kept = tuple(pair for number, pair in enumerate(self.pairs, start=1) if number != int(rest))
                return replace(self, pairs=kept, said="Taken off the list.")
            case "more":
                return replace(self, rows=max(len(self.pairs), 1) + 1)
        return self

    def _with_folder(self, name: str, folder: str) -> FileChoice:
        if name == "source":
            return replace(self, source=replace(self.source, folder=folder))
        return replace(self, destination=replace(self.destination, folder=folder))

    def _with(self, source: str, home: str) -> FileChoice:
        if any(pair[0] == source for pair in self.pairs):
            return replace(self, said=f"{source} is on the list already.")
        base = self.destination.base or self._last_base() or f"{home.rstrip('/')}/"
        pair = (source, _below(base, source))
        return replace(self, pairs=(*self.pairs, pair), said=f"{source} will be copied to {pair[1]}")

    def _last_base(self) -> str:
        """Return the folder that the last pair goes to."""
        last = self.pairs[-1][1] if self.pairs else ""
        return f"{paths.parent(last.rstrip('/')).rstrip('/')}/" if last.startswith("/") and last.strip("/") else ""

    def _into(self, folder: str) -> FileChoice:
        """Return the choice with everything going into one folder."""
        base = f"{folder.rstrip('/')}/"
        if not self.pairs:
            return replace(self, said=f"What you choose will be copied to {base}")
        pairs = tuple((source, _below(base, source)) for source, _ in self.pairs)
        return replace(self, pairs=pairs, said=f"Everything goes into {base}")


def _below(base: str, source: str) -> str:
    """Return where a source goes inside a folder; the root's contents go into the folder itself."""
    name = source.rstrip("/").rpartition("/")[2]
    return f"{base}{name}/" if name and source.endswith("/") else f"{base}{name}"


def read(data: Any) -> FileChoice:
    """Return what was sent. A folder counts only for the collection that it was opened in."""
    sources, destinations = data.getlist("source_path"), data.getlist("destination_path")
    pairs = [(one.strip(), other.strip()) for one, other in zip(sources, destinations, strict=False)]
    return FileChoice(
        source=_side(data, "source"),
        destination=_side(data, "destination"),
        pairs=tuple(pair for pair in pairs if any(pair)),
    )


def _side(data: Any, name: str) -> Side:
    collection = data.get(name, "")
    same = data.get(f"{name}_opened", "") == collection
    return Side(collection, data.get(f"{name}_folder", "") if same and collection else "")
