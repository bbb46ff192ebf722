"""Open MPI 4's XML is taken apart into exactly what each rank wrote."""

from __future__ import annotations

from collections import defaultdict

import pytest

from ranklog_collector.importing.formats.tags import LINE_MAX
from ranklog_collector.importing.formats.xml_console import XmlConsole, looks_like

CONSOLE = (
    b'<mpirun>\n<stdout rank="0">a &lt;b&gt; &amp; c &#195;&#169;&#010;</stdout>\n<stderr rank="1">err&#010;</stderr>\n'
    b'<stdout rank="1">no end</stdout><stderr>Primary job  terminated normally&#010;</stderr>\n'
    b'<stdout rank="0">more</stdout></mpirun>\n'
)


def split(console: bytes, size: int) -> dict[tuple[int | None, str], bytes]:
    reader = XmlConsole()
    streams: dict[tuple[int | None, str], bytes] = defaultdict(bytes)
    blocks = [console[at : at + size] for at in range(0, len(console), size)]
    for piece in [piece for block in blocks for piece in reader.feed(block)] + list(reader.finish()):
        streams[piece.rank, piece.stream] += piece.data
    return dict(streams)


@pytest.mark.parametrize("size", [1, 3, 50, 1 << 20])
def test_each_rank_gets_its_bytes_back(size: int) -> None:
    assert looks_like(CONSOLE)
    assert split(CONSOLE, size) == {
        (0, "stdout"): "a <b> & c é\nmore".encode(),
        (1, "stderr"): b"err\n",
        (1, "stdout"): b"no end",
        (None, "stdout"): b"Primary job  terminated normally\n",
    }


@pytest.mark.parametrize("text", [b"", b"<mpirun>\n", b"<html></html>", b'print("<stdout rank=\\"0\\">")'])
def test_other_text_is_not_taken_for_it(text: bytes) -> None:
    assert not looks_like(text)


def test_damaged_elements_lose_nothing_and_fill_no_memory() -> None:
    damaged = b'<stdout rank="0">' + b"y" * (2 * LINE_MAX) + b"&#999;&huh;"
    assert split(damaged, 1 << 16) == {(None, "stdout"): damaged}
