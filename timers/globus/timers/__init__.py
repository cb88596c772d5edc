"""The Timers service: create, list, read, change, pause, resume and delete timers and jobs."""
