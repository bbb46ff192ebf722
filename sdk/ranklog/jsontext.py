"""JSON, written without the json module, whose import takes longer than all else that `ranklog exec` does at first."""

ESCAPED = {'"': '\\"', "\\": "\\\\"}


def encode(value: object) -> str:
    r"""Write None, booleans, finite numbers, strings, lists, tuples and dicts with string keys.

    Strings may hold bytes that are not UTF-8, as arguments and file names do; these show as `\xff`.
    Raises TypeError for anything else.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quote(name)}: {encode(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no form in a record")


def _quote(text: str) -> str:
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join(ESCAPED.get(each) or (f"\\u{ord(each):04x}" if each < " " else each) for each in text)
    return f'"{text}"'
