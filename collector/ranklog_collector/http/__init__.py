"""The HTTP API (docs/reference/http.md): a process of its own that touches nothing that the collector writes."""
