"""Curves in the terminal: what is drawn, and that nothing is drawn where nobody asked, or could see it."""

import io
import math
import re

import pytest

from fastnet.callbacks import State
from fastnet.progress import Display
from fastnet.terminal_curves import Curve, braille_curve, chart


def dots(line):
    """Number of dots in each character."""
    return [bin(ord(character) - 0x2800).count("1") if character != " " else 0 for character in line]


def test_a_curve_goes_from_corner_to_corner():
    rising = braille_curve(range(16), 8, 4)
    assert [len(line) for line in rising] == [8] * 4
    assert rising[-1][0] == "⡠"
    assert rising[0][-1] == "⠊"
    assert sum(sum(dots(line)) for line in rising) == 16  # one dot a column
    assert braille_curve(range(15, -1, -1), 8, 4)[0][0] == "⠑"


def test_a_level_curve_is_in_the_middle_and_room_is_left_for_what_comes():
    lines = braille_curve([1.0, 1.0], 8, 3, n=15)
    assert [bool(line.strip()) for line in lines] == [False, True, False]
    assert len(lines[1].rstrip()) == 1  # of 15 values there are two


def test_gaps_are_left_out():
    for values in ([math.nan, 0, 1, math.nan, 3, math.inf], [2.0], [math.nan, 2.0]):
        braille_curve(values, 4, 2)
    assert sum(map(sum, map(dots, braille_curve([0, math.nan, 1], 2, 1)))) == 2
    assert sum(map(sum, map(dots, braille_curve([0, 0.5, 1], 2, 1)))) == 4


def test_a_thousand_values_keep_their_ends():
    lines = braille_curve([0.0] * 999 + [1.0], 10, 2)
    assert set("".join(lines)) != {" "}
    assert lines[0][:-1].strip() == ""
    assert lines[0][-1] != " "


def test_charts_fit_the_width():
    curves = [Curve("loss", [2.0, 1.0, 0.5], "{:.2f}".format), Curve("accuracy", [0.1, 0.5, 0.9], "{:.1f}".format)]
    lines = chart(curves, 99)
    assert len(lines) == 6
    assert max(map(len, lines)) <= 99
    assert lines[0].split() == ["loss", "0.50", "accuracy", "0.9"]
    assert lines[1].split()[0] == "2.00"
    assert lines[-1].split()[0] == "0.50"
    assert "accuracy" not in chart(curves, 50)[0]
    assert chart(curves, 29) == []
    assert chart([Curve("loss", [math.nan], str)], 99) == []


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def shown(monkeypatch, curves, stderr, epochs=4, accuracy=0.5):
    """What a display writes to stderr during some epochs."""
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr("fastnet.progress._REDRAW_AFTER", 0.0)
    for name, value in {"TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    display, state = Display(curves=curves), State(None, epochs, 1)
    display.on_fit_begin(state)
    display.on_compiled(state)
    for epoch in range(1, epochs + 1):
        state.epoch = epoch
        state.metrics = {
            "loss": 1 / epoch, "accuracy": accuracy, "val_accuracy": 0.9, "val_loss": 1.0, "learning_rate": 0.1,
            "seconds": 1.0, "samples_per_second": 1.0,
        }  # fmt: skip
        display.on_epoch_end(state)
    display.on_fit_end(state)
    return stderr.getvalue()


def test_curves_are_drawn_under_the_bar_and_stay(monkeypatch):
    output = shown(monkeypatch, True, Terminal())
    assert output.count("validation accuracy 90.00 %") >= 4  # while training, and at the end
    end = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", output).splitlines()[-6:]
    assert end[0].split() == ["loss", "0.2500", "validation", "accuracy", "90.00", "%"]
    assert end[1].split()[0] == "1.0000"
    assert "left" not in "".join(end)


def test_plain_outputs_have_r2(monkeypatch):
    assert "validation R² 0.9000" in shown(monkeypatch, True, Terminal(), accuracy=math.nan)


@pytest.mark.parametrize("case", ["not wanted", "no terminal", "no Braille"])
def test_no_curves(monkeypatch, case):
    stderr = io.StringIO() if case == "no terminal" else Terminal()
    if case == "no Braille":
        monkeypatch.setattr(Terminal, "encoding", "latin-1")
    output = shown(monkeypatch, case != "not wanted", stderr)
    assert "validation accuracy" not in output
