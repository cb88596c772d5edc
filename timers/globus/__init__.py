"""The interface of Globus Timers, Transfer, Flows and Auth, below /globus/."""
