"""What the README shows runs."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.mnist
def test_python_examples(mnist, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples write files
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "History(10 epochs" in capsys.readouterr().out
    assert names["network"].score(mnist.X_test, mnist.y_test) > 0.95


def test_the_map_names_every_module():
    package = Path(__file__).parent.parent / "fastnet"
    listed = README[README.index("## Map") :]
    for path in sorted(package.rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            assert path.name in listed, f"{path.name} is not in the README's map"
