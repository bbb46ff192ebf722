"""What is told of runs, as plain JSON-able objects: the CLI's `--json`, the HTTP API and the SDK's reading of folders.

Each resource of docs/reference/http.md is a function over the reader library. All of them raise ReadingError.
"""
