#!/usr/bin/env python3
"""Runs a management command of the site."""

from timersite.command import main

if __name__ == "__main__":
    main()
