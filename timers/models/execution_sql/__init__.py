"""Every hand-written statement that writes executions: they are inserted, begun, moved and leased here alone."""
