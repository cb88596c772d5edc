"""Parts that the three machine interfaces share: reading requests, one view to inherit, the skeleton of errors."""
