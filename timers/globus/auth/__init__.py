"""The Auth service: login and consent, tokens for apps, and introspection of tokens."""
