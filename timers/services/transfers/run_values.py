"""The values of a run that the texts of a transfer may show: its paths, its label, the folder of what it replaces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from timers.text_templates import TextTemplate

NAMES = ("planned_at",)
_EXAMPLE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


@dataclass(frozen=True)
class RunValues:
    """The values of one run; those of an example check a document that is run later. `planned_at` is in a zone."""

    planned_at: datetime = _EXAMPLE

    def template(self, text: str, field: str) -> TextTemplate:
        """Return the template of a text; raises Invalid naming `field`."""
        return TextTemplate.parse(text, field, names=NAMES)

    def render(self, text: object, field: str) -> object:
        """Return a text with these values; anything else as it is. Raises Invalid naming `field`."""
        return self.show(self.template(text, field)) if isinstance(text, str) else text

    def show(self, template: TextTemplate) -> str:
        """Return a template with these values."""
        return template.render({"planned_at": self.planned_at})
