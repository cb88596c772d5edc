"""Auth: people log in and agree, apps get tokens, and anybody may ask whose a token is."""
