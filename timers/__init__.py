"""Timers: runs things on time. Code timers need no more than `from timers import timer, Config, RpcProxy`."""

from timers.code_timers import Config, RpcProxy, timer

__all__ = ["Config", "RpcProxy", "__version__", "timer"]

__version__ = "0.1.0"
