"""Transfer: collections looked up and browsed, transfers and deletions submitted, followed, changed and cancelled."""
