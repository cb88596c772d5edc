"""The wire of Globus Timers, Transfer, Flows and Auth, below /globus/."""
