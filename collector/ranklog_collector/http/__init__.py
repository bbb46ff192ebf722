"""The HTTP API (docs/reference/http.md): a process of its own that only reads run folders (docs/decisions/0008)."""
