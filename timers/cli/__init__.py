"""The command line, `python -m timers.cli`. It needs only the standard library and calls the API by `timers.client`."""
