"""The tables that measurements become, in a terminal and in Markdown.

A result is what ``measure`` returns; a report is what ``fastnet bench --json`` writes: machine, versions, date and
results.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

_NAME, _NARROW = 16, 33  # columns of the name, and of the table that shows no spread
_WIDE = 74


def document(machine: dict[str, Any], versions: dict[str, str], date: str, data: str, rounds: int) -> dict[str, Any]:
    """Return a report without results.

    Returns
    -------
    dict
        ``format``, ``date``, ``machine``, ``versions``, ``data`` (what the images are), ``rounds``, and ``rows``, an
        empty list for results.
    """
    head = {"format": "fastnet bench 1", "date": date, "machine": machine, "versions": versions}
    return {**head, "data": data, "rounds": rounds, "rows": []}


def headline(report: dict[str, Any]) -> str:
    """Return date, machine and versions in one line."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"{report['date']}, {machine['cpu']}, {machine['cpus']} CPUs, {machine['vector_bits']}-bit vectors, "
        f"{machine['system']}, {versions}"
    )


def show_duration(seconds: float) -> str:
    """Return a time with three digits: "30.1 ms", "1.24 s".

    >>> [show_duration(s) for s in (0.000512, 0.0301, 0.9996, 24.31, 155.2)]
    ['0.512 ms', '30.1 ms', '1.00 s', '24.3 s', '155 s']
    """
    value, unit = (seconds * 1e3, "ms") if seconds < 0.9995 else (seconds, "s")
    for limit, digits in ((0.9995, 3), (9.995, 2), (99.95, 1)):
        if value < limit:
            return f"{value:.{digits}f} {unit}"
    return f"{value:.0f} {unit}"


def show_ratio(ratio: float | None) -> str:
    """Return a ratio with three digits or so, and nothing for None."""
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:.0f}"


def summary(result: dict[str, Any]) -> str:
    """Return what a row measures: "time of an epoch of 55,000 samples"."""
    what = "predictions" if result["task"] == "predict" else "an epoch"
    return f"time of {what} of {result['n_samples']:,} samples"


# -- terminal ------------------------------------------------------------------------------------------


def terminal_table(result: dict[str, Any], width: int) -> str:
    """Return the row's table for a terminal of that many columns; below 74 the spread is left out."""
    wide = width >= _WIDE
    timed = [entry for entry in result["contenders"] if "skipped" not in entry]
    lines = textwrap.wrap(f"{result['title']}: {summary(result)}", max(width, _NARROW))
    if timed:
        lines.append(f"{'':{_NAME}}{'median':>9}" + (f"{'min':>10}{'max':>10}" if wide else "") + f"{'ratio':>8}")
        lines[-1] += f"{'accuracy':>11}" if wide else ""
    notes = []
    for entry in timed:
        line = f"{entry['name']:{_NAME}}{show_duration(entry['median']):>9}"
        line += f"{show_duration(entry['min']):>10}{show_duration(entry['max']):>10}" if wide else ""
        line += f"{show_ratio(entry['ratio']):>8}"
        line += f"{100 * entry['accuracy']:>9.2f} %" if wide else ""
        lines.append(line)
        if entry["n_timed"] < result["n_samples"]:
            notes.append(f"{entry['name']}: from {entry['n_timed']:,} samples")
    notes += [f"{entry['name']} left out: {entry['skipped']}" for entry in result["contenders"] if "skipped" in entry]
    for note in notes:
        lines += textwrap.wrap(note, max(width, _NARROW), initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def terminal_overview(results: Sequence[dict[str, Any]], width: int) -> str:
    """Return one table of all rows; nothing if there is but one, or if the terminal is too narrow."""
    peers = rivals(results)
    columns = [max(9, len(peer) + 2) for peer in peers]
    first = max(len(result["title"]) for result in results)
    if len(results) < 2 or not peers or first + 10 + sum(columns) > width:
        return ""
    lines = ["fastnet's median, and how many times as long the others take:"]
    lines.append(f"{'':{first}}{'fastnet':>10}" + "".join(f"{p:>{c}}" for p, c in zip(peers, columns, strict=True)))
    for result in results:
        cells = overview_cells(result)
        ratios = "".join(f"{cells.get(p, ''):>{c}}" for p, c in zip(peers, columns, strict=True))
        lines.append(f"{result['title']:{first}}{cells.get('fastnet', '-'):>10}{ratios}")
    return "\n".join(lines)


def rivals(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the peers beside fastnet, of all rows."""
    peers = dict.fromkeys(entry["peer"] for result in results for entry in result["contenders"])
    return [peer for peer in peers if peer != "fastnet"]


def overview_cells(result: dict[str, Any]) -> dict[str, str]:
    """Return for each peer its ratio, or its time if there is none, and for fastnet its time; a dash if left out."""
    cells = {}
    for entry in result["contenders"]:
        time = show_duration(entry["median"]) if "skipped" not in entry else "-"
        cells[entry["peer"]] = time if entry["peer"] == "fastnet" else show_ratio(entry.get("ratio")) or time
    return cells
