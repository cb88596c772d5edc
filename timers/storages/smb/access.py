"""Rights and options with which an entry is opened, as the protocol numbers them."""

from __future__ import annotations

READ = 0x1 | 0x80
WRITE = 0x2 | 0x80 | 0x100
DELETE = 0x10000 | 0x80
READ_ATTRIBUTES = 0x80
WRITE_ATTRIBUTES = 0x80 | 0x100

OPEN = 1
CREATE = 2

AS_FOLDER = 0x1
AS_FILE = 0x40
WITHOUT_FOLLOWING = 0x200000
