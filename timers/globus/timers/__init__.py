"""Timers: jobs and timers created, listed, read, changed, paused, resumed and deleted."""
