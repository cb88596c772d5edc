"""Sets of small numbers as the bits of one integer, with fast search, count and listing of members."""

from __future__ import annotations


def of_range(least: int, most: int, step: int = 1) -> int:
    """Return the set of every `step`-th number from `least` to `most`, both inclusive."""
    return sum(1 << number for number in range(least, most + 1, step))


def has(bits: int, number: int) -> bool:
    return bool(bits >> number & 1)


def members(bits: int) -> list[int]:
    """Return the numbers of the set, ascending."""
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def first_from(bits: int, number: int) -> int | None:
    """Return the smallest member that is not below `number`, None if there is none."""
    rest = bits >> number << number
    return (rest & -rest).bit_length() - 1 if rest else None


def last_until(bits: int, number: int) -> int | None:
    """Return the largest member that is not above `number`, None if there is none."""
    rest = bits & ((2 << number) - 1)
    return rest.bit_length() - 1 if rest else None


def count_until(bits: int, number: int) -> int:
    """Return the number of members that are not above `number`."""
    return (bits & ((2 << number) - 1)).bit_count()
