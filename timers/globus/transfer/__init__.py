"""The Transfer service: browse collections; submit, follow, change and cancel transfers and deletions."""
