"""Turn measurements into the tables of benches/results.md and of the README.

fastnet bench --json epochs.json
pytest benches --benchmark-only -k "not epoch" --benchmark-json=kernels.json
python benches/results.py epochs.json kernels.json

The second file may be left out: what was measured by pytest-benchmark (kernels, start) then stays as it is.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

from fastnet._bench.report import headline, overview_cells, rivals, show_duration, show_ratio, summary

ROOT = Path(__file__).parent.parent
PARTS = "epochs", "start", "kernels"  # as marked in results.md; the README has an overview of the first, and the second
FORMAT = "fastnet bench 1"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(columns, rows):
    return "\n".join([row(columns), row(["---", *["---:"] * (len(columns) - 1)]), *map(row, rows)])


# -- fastnet bench -------------------------------------------------------------------------------------


def epochs(report):
    """All rows of ``fastnet bench``, each with its spread."""
    lines = [f"{headline(report)}; images: {report['data']}; {report['rounds']} rounds."]
    for result in report["rows"]:
        timed = [entry for entry in result["contenders"] if "skipped" not in entry]
        columns = ["", "median", "min, max", "times as long", "compiling, set-up", "test accuracy", "timed samples"]
        lines.append(f"**{result['title']}**: {summary(result)}")
        lines.append(table(columns, [contender(entry) for entry in timed]))
        missing = [entry for entry in result["contenders"] if "skipped" in entry]
        lines += [f"{entry['name']} left out: {entry['skipped']}" for entry in missing]
    return "\n\n".join(lines)


def contender(entry):
    spread = f"{show_duration(entry['min'])}, {show_duration(entry['max'])}"
    accuracy = f"{100 * entry['accuracy']:.2f} %"
    return [entry["name"], show_duration(entry["median"]), spread, show_ratio(entry["ratio"]),
            show_duration(entry["prepare_seconds"]), accuracy, f"{entry['n_timed']:,}"]  # fmt: skip


def overview(report):
    """One table: fastnet's medians, and how many times as long the others take."""
    results = report["rows"]
    names = {entry["peer"]: entry["name"] for result in results for entry in result["contenders"]}
    peers = rivals(results)
    rows = [overview_row(result, peers) for result in results]
    head = f"{headline(report)}; medians of one run; images: {report['data']}."
    note = "\\* measured on a part of an epoch."
    return f"{head}\n\n{table(['', 'fastnet', *(names[peer] for peer in peers)], rows)}\n\n{note}"


def overview_row(result, peers):
    cells = overview_cells(result)
    for entry in result["contenders"]:
        if entry.get("ratio") is not None and entry["peer"] != "fastnet":
            part = entry["n_timed"] < result["n_samples"]
            cells[entry["peer"]] += " x" + "\\*" * part
    return [result["title"], cells["fastnet"], *(cells.get(peer, "") for peer in peers)]


# -- pytest-benchmark ----------------------------------------------------------------------------------


def groups_table(benchmarks):
    """Median, spread and ratio of each bench; the ratio is to fastnet's row of the same group."""
    ours = next((b["stats"]["median"] for b in benchmarks if b["name"].endswith("-fastnet]")), None)
    columns = ["", "median", "min, max"] + ["times as long"] * (ours is not None)
    rows = []
    for bench in benchmarks:
        stats = bench["stats"]
        spread = f"{duration(stats['min'])}, {duration(stats['max'])}"
        ratio = [f"{stats['median'] / ours:.2f}"] if ours else []
        rows.append([bench["name"].removeprefix("test_"), duration(stats["median"]), spread, *ratio])
    return table(columns, rows)


def duration(seconds):
    """As ``show_duration``, with microseconds for calls of kernels."""
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-3 else show_duration(seconds)


def groups(data, wanted):
    """The groups whose names begin, or do not, with "start"; epochs are better measured by ``fastnet bench``."""
    found = {}
    for bench in data["benchmarks"]:
        name = bench["group"] or ""
        if not name.startswith("epoch") and name.startswith("start") == (wanted == "start"):
            found.setdefault(name, []).append(bench)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba"))
    info = data["machine_info"]
    cpu = info.get("cpu", {}).get("brand_raw") or info["machine"]
    head = f"{data['datetime'][:10]}, {cpu}, Python {info['python_version']}, {versions}."
    return "\n\n".join([head, *(f"**{name}**\n\n{groups_table(b)}" for name, b in found.items())])


# -- files ---------------------------------------------------------------------------------------------


def replace_part(file, part, text):
    """Put a text between a file's marks for it."""
    begin, end = f"<!-- {part}: written by benches/results.py -->", f"<!-- end of {part} -->"
    before, rest = file.read_text().split(begin)
    after = rest.split(end)[1]
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def main(paths):
    results, readme = ROOT / "benches" / "results.md", ROOT / "README.md"
    for path in paths:
        data = json.loads(Path(path).read_text())
        if data.get("format") == FORMAT:
            replace_part(results, "epochs", epochs(data))
            replace_part(readme, "epochs", overview(data))
        else:
            replace_part(results, "kernels", groups(data, "kernels"))
            for file in (results, readme):
                replace_part(file, "start", groups(data, "start"))


if __name__ == "__main__":
    main(sys.argv[1:])
