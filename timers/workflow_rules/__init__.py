"""What follows what in a workflow: definitions, references between tasks, retries and the next step. Pure."""
