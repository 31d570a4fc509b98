"""Who may call the API, and what each caller may do: keys, scopes, tokens."""
