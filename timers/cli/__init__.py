"""The command line: `python -m timers.cli`. It needs the standard library only, and speaks through `timers.client`."""
