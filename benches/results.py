"""Turn the JSON of pytest-benchmark into the tables of benches/results.md and of the README.

pytest benches --benchmark-only --benchmark-json=results.json
python benches/results.py results.json
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARKS = "<!-- results: written by benches/results.py -->", "<!-- end of results -->"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def duration(seconds):
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(benchmarks):
    """Median, spread and ratio of each bench; the ratio is to fastnet's row of the same group.

    Benches that train have a column for the accuracy on the test set that they reached.
    """
    ours = next((b["stats"]["median"] for b in benchmarks if b["name"].endswith("-fastnet]")), None)
    accurate = any("test_accuracy" in b["extra_info"] for b in benchmarks)
    columns = ["", "median", "min, max"] + ["times as long"] * (ours is not None) + ["test accuracy"] * accurate
    lines = [row(columns), row(["---", *["---:"] * (len(columns) - 1)])]
    for bench in benchmarks:
        stats = bench["stats"]
        ratio = [f"{stats['median'] / ours:.2f}"] if ours else []
        spread = f"{duration(stats['min'])}, {duration(stats['max'])}"
        found = bench["extra_info"].get("test_accuracy")
        accuracy = ["" if found is None else f"{100 * found:.2f} %"] * accurate
        lines.append(row([bench["name"].removeprefix("test_"), duration(stats["median"]), spread, *ratio, *accuracy]))
    return "\n".join(lines)


def machine(data):
    import importlib.metadata as metadata

    info = data["machine_info"]
    names = ("numpy", "numba", "scikit-learn")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    cpu = info.get("cpu", {})
    name = cpu.get("brand_raw") or info["machine"]
    return (
        f"{data['datetime'][:10]}, {name}, {cpu.get('count', '?')} cores, Python {info['python_version']}, {versions}"
    )


def report(data):
    groups = {}
    for bench in data["benchmarks"]:
        groups.setdefault(bench["group"] or "", []).append(bench)
    parts = [f"{machine(data)}."]
    parts += [f"**{name}**\n\n{table(benchmarks)}" for name, benchmarks in groups.items()]
    return "\n\n".join(parts), groups


def headline(groups, data):
    """The README's part: epochs and start-up only."""
    parts = [f"{machine(data)}; medians of one run."]
    parts += [f"**{n}**\n\n{table(b)}" for n, b in groups.items() if n.startswith(("epoch", "start"))]
    return "\n\n".join(parts)


def main(path):
    data = json.loads(Path(path).read_text())
    text, groups = report(data)
    (ROOT / "benches" / "results.md").write_text(f"# Results\n\nWritten by `benches/results.py`.\n\n{text}\n")
    readme = (ROOT / "README.md").read_text()
    before, rest = readme.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    (ROOT / "README.md").write_text(f"{before}{MARKS[0]}\n\n{headline(groups, data)}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main(sys.argv[1])
