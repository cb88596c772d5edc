"""Programs of Conductor users, run by the client's own interpreter against a running installation."""
