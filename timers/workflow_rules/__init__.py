"""Rules of workflows: definitions, references between tasks, retries, and the next step. Pure code."""
