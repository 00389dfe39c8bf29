"""What the documentation shows runs: its Python in a folder of its own, page by page; its commands have their flags."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from fastnet import cli

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
COMMANDS = typer.main.get_command(cli.app).commands


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def name(path):
    return str(path.relative_to(DOCS))


# They compile, or train, for many seconds.
LONG = ("how-to/kernels.md", "tutorial/4-98-percent.md")


def example(path):
    return pytest.param(path, marks=pytest.mark.slow if name(path) in LONG else (), id=name(path))


@pytest.mark.parametrize("path", [example(page) for page in PAGES if blocks(page, "python")])
def test_python_examples(path, tmp_path, monkeypatch, request):
    found = blocks(path, "python")
    if any("load_mnist" in block for block in found):
        request.getfixturevalue("mnist")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for block in found:
        exec(compile(block, name(path), "exec"), names)


def commands(path):
    for block in blocks(path, "console"):
        for line in re.sub(r"\\\n *", "", block).splitlines():
            if line.startswith("fastnet "):
                yield line.split(" #")[0].split(" > ")[0].strip()


@pytest.mark.parametrize("path", [*PAGES, DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_commands_have_their_flags(path):
    for line in commands(path):
        verb, *words = shlex.split(line)[1:]
        assert verb in COMMANDS or verb.startswith("-"), line
        if verb in COMMANDS and getattr(COMMANDS[verb], "commands", None):
            command = COMMANDS[verb].commands[words[0]]
        else:
            command = COMMANDS.get(verb)
        options = {"--help"} | {o for p in command.params for o in (*p.opts, *p.secondary_opts)} if command else {verb}
        for word in words:
            flag = word.split("=")[0]
            assert not re.match(r"-+[a-z]", flag) or flag in options, f"{line}: {flag}"


def test_links_and_figures_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{name(page)}: {target}"


def test_every_page_is_in_the_navigation():
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    for page in PAGES:
        assert f": {name(page)}\n" in navigation, name(page)
