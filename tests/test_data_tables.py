"""Tables in text and in Parquet: what is read, what is refused and with which words."""

import csv
import gzip
import io
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastnet import FormatError, load_data, read_data
from fastnet.datasets import delimited
from fastnet.datasets.dialect import find_dialect


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


FLOWERS = "length,width,kind\n5.1,3.5,rose\n4.9,3.0,iris\n1.5,0.25,rose\n"


def test_a_table_with_header_and_labels_of_text(write):
    found = read_data(write(FLOWERS), target="kind")
    assert found.X.dtype == np.float32
    assert found.X.flags.c_contiguous
    np.testing.assert_array_equal(found.X, np.float32([[5.1, 3.5], [4.9, 3.0], [1.5, 0.25]]))
    assert (found.y.tolist(), found.y.dtype, found.classes.tolist()) == ([1, 0, 1], np.int64, ["iris", "rose"])
    assert (found.feature_names, found.task, found.name) == (("length", "width"), "classification", "table")
    assert len(found) == 3


@pytest.mark.parametrize("target", ["kind", 2, -1, "2", "-1"])
def test_the_target_is_a_name_or_an_index(write, target):
    assert read_data(write(FLOWERS), target=target).y.tolist() == [1, 0, 1]


@pytest.mark.parametrize("drop", ["width", ["width"], 1, (-2,), ["1"]])
def test_columns_are_dropped_by_name_or_index(write, drop):
    found = read_data(write(FLOWERS), target="kind", drop=drop)
    assert found.X.ravel().tolist() == np.float32([5.1, 4.9, 1.5]).tolist()
    assert found.feature_names == ("length",)


def test_without_header_columns_have_no_names(write):
    found = read_data(write("5.1,3.5,rose\n4.9,3.0,iris\n"), target=-1)
    assert (found.X.shape, found.feature_names, found.classes.tolist()) == ((2, 2), None, ["iris", "rose"])
    with pytest.raises(ValueError, match=r"target is 'kind'; .* has no header \(or header=False\): expected an index"):
        read_data(write("5.1,3.5\n4.9,3.0\n"), target="kind")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("1,x\n3,y\n", False),
        ("label,0,1,2\n7,1,2,3\n", True),  # as MNIST in CSV
        ("label,1,2,3\n7,1,2,3\n", True),
        ("a,b\n", True),
    ],
)
def test_a_header_is_seen(write, text, named):
    path = write(text)
    with path.open() as file:
        assert (find_dialect(path, file, None, None).names is not None) == named


def test_a_header_that_may_be_none_is_asked_about(write):
    path = write("1,width,3\n4.5,2.5,3.5\n")
    with pytest.raises(
        FormatError, match=r"line 1: found 'width' above a number beside the number '1': is this a header"
    ):
        read_data(path)
    assert read_data(write("0,1,2\n5.5,6.5,7.5\n", "counted.csv"), header=False).X.shape == (2, 3)
    assert read_data(path, header=True).feature_names == ("1", "width", "3")
    with pytest.raises(FormatError, match="found 0, 1, 2, …: do these count the columns"):
        read_data(write("0,1,2\n5.5,6.5,7.5\n", "counted.csv"))
    with pytest.raises(FormatError, match=r"line 1, column 1 \(counted from 0\): found 'width', expected a number"):
        read_data(path, header=False)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_the_delimiter_is_found(write, delimiter):
    text = FLOWERS.replace(",", delimiter)
    for name in ("table.csv", "table.txt", "table.data"):
        assert read_data(write(text, name), target="kind").X.shape == (3, 2)


@pytest.mark.parametrize(("name", "delimiter"), [("semicolon", ";"), (";", ";"), ("tab", "\t"), ("~", "~")])
def test_the_delimiter_is_given(write, name, delimiter):
    found = read_data(write(FLOWERS.replace(",", delimiter)), target="kind", delimiter=name)
    assert found.X.shape == (3, 2)


def test_tsv_takes_tabs_whatever_else_is_in_it(write):
    found = read_data(write("a,b\tc\n1\t2\n", "table.tsv"))
    assert found.feature_names == ("a,b", "c")


def test_runs_of_spaces_are_one_delimiter(write):
    found = read_data(write("  1.0   2.0  a \n 10.0  20.0  b \n", "table.data"), target=2)
    assert (found.X.tolist(), found.classes.tolist()) == ([[1, 2], [10, 20]], ["a", "b"])


def test_quotes_delimiters_and_line_ends_within_them(write):
    text = 'a,"the, kind",b\r\n1,"x, ""y""",2\r\n"3","two\nlines",4\r\n\r\n5,"x, ""y""",6\r\n'
    found = read_data(write(text), target="the, kind")
    assert found.X.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.classes.tolist() == ["two\nlines", 'x, "y"']


@pytest.mark.parametrize("encode", [lambda text: text.encode("utf-8-sig"), str.encode], ids=["bom", "plain"])
def test_utf8_with_and_without_a_byte_order_mark(write, encode):
    found = read_data(write(encode("größe,art\n1,Käfer\n2,Ähre\n")), target="art")
    assert (found.feature_names, found.classes.tolist()) == (("größe",), ["Käfer", "Ähre"])


def test_packed_tables(write):
    assert read_data(write(gzip.compress(FLOWERS.encode()), "table.csv.gz"), target="kind").y.tolist() == [1, 0, 1]
    with pytest.raises(FormatError, match="the gzip data are damaged or cut"):
        read_data(write(gzip.compress(FLOWERS.encode())[:-9], "cut.csv.gz"), target="kind")


def test_true_and_false_are_numbers(write):
    assert read_data(write("a,b\nTrue,1\nfalse,2\n")).X.tolist() == [[1, 1], [0, 2]]


def test_one_column_and_one_row(write):
    assert read_data(write("a\n\n1\n\n")).X.tolist() == [[1]]
    assert read_data(write("a\n1\n2\n")).X.tolist() == [[1], [2]]
    assert read_data(write("1,2\n")).X.tolist() == [[1, 2]]


# Labels and tasks


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["2", "10", "2"], [2, 10]),
        (["1", "1.0", "0"], [0, 1]),
        (["b ", "a", " b"], ["a", "b"]),
        (["none", "mild", "none"], ["mild", "none"]),
        (["1", "a", "1"], ["1", "a"]),
    ],
)
def test_classes_are_sorted_and_spelled_in_one_way(write, labels, classes):
    path = write("x,y\n" + "".join(f"1,{label}\n" for label in labels))
    found = read_data(path, target="y")
    assert (found.classes.tolist(), found.task) == (classes, "classification")
    assert found.y[0] == found.y[2] or labels[1] == "1.0"


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["0.5", "1", "2"], "regression"),
        ([str(i) for i in range(20)], "classification"),
        ([str(i) for i in range(21)], "regression"),
        ([str(i) for i in range(21)] * 10, "classification"),
        (["1e300", "1"], "regression"),
    ],
)
def test_the_task_is_seen_in_the_labels(write, labels, task):
    found = read_data(write("x,y\n" + "".join(f"1,{label}\n" for label in labels)), target="y")
    assert found.task == task
    if task == "regression":
        assert found.classes is None
        assert found.y.dtype == np.float64
        assert found.y.tolist() == list(map(float, labels))


def test_the_task_is_given(write):
    path = write("x,y\n1,2\n2,3\n")
    assert read_data(path, target="y", task="regression").y.tolist() == [2.0, 3.0]
    assert read_data(write("x,y\n1,.5\n2,3\n"), target="y", task="classification").classes.tolist() == [0.5, 3]
    with pytest.raises(FormatError, match=r"line 3, column 'y': found the target 'b', expected a number as task="):
        read_data(write("x,y\n1,2\n2,b\n"), target="y", task="regression")


@pytest.mark.parametrize("classes", [["rose", "iris", "tulip"], np.array(["rose", "iris"])])
def test_labels_become_indices_of_given_classes(write, classes):
    found = read_data(write(FLOWERS), target="kind", classes=classes)
    assert found.y.tolist() == [0, 1, 0]
    assert found.classes.tolist() == list(classes)


def test_classes_match_as_text_or_as_numbers(write):
    path = write("x,y\n1,3\n2,5\n")
    assert read_data(path, target="y", classes=["5", "3"]).y.tolist() == [1, 0]
    assert read_data(path, target="y", classes=[3.0, 5.0]).y.tolist() == [0, 1]


def test_an_unknown_label_is_named(write):
    with pytest.raises(
        FormatError,
        match=r"line 2, column 'kind': found the label 'rose', expected one of iris, roses\. Did you mean 'roses'",
    ):
        read_data(write(FLOWERS), target="kind", classes=["iris", "roses"])


def test_features_by_name_in_their_order_and_no_others(write):
    path = write("id,b,a,kind\nx7,2,1,rose\nx8,4,3,iris\n")
    found = read_data(path, feature_names=("a", "b"))
    assert (found.X.tolist(), found.y, found.feature_names) == ([[1, 2], [3, 4]], None, ("a", "b"))
    with pytest.raises(FormatError, match=r"no feature column 'A' \(1 of 2 are missing\), among .*Did you mean 'a'"):
        read_data(path, feature_names=("A", "b"))
    headless = write("1,2,3\n4,5,6\n", "headless.csv")
    assert read_data(headless, feature_names=("a", "b"), target=0).X.tolist() == [[2, 3], [5, 6]]
    with pytest.raises(FormatError, match="found 3 feature columns, expected 2: a, b"):
        read_data(headless, feature_names=("a", "b"))


# What is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n,3\n", r"line 3, column 'a': found an empty cell \(a missing value\).*remove such rows"),
        ("a,b\n1,2\n3,NA\n", r"line 3, column 'b': found 'NA' \(a missing value\)"),
        ("a,b\n1,nan\n", r"line 2, column 'b': found 'nan' \(a missing value\)"),
        ("1,2\n3,?\n", r"line 2, column 1 \(counted from 0\): found '\?' \(a missing value\)"),
        ("a,b\n1,2\n\n3,four\n", r"line 4, column 'b': found 'four', expected a number; .* drop=\['b'\]"),
        ("1,2\nthree,4\n", r"line 2, column 0 .*drop=\[0\]"),
        ("a,b\n1,1_000\n", r"line 2, column 'b': found '1_000', expected a number"),
        ("a;b\n1;2\n1;2,5\n", r"found '2,5', expected a number \(with a decimal point, not a comma\)"),
        ("a,b\n1,inf\n", r"line 2, column 'b': found inf, expected a number up to 3\.4e\+38"),
        ("a,b\n1,-1e39\n", r"line 2, column 'b': found -1e39, expected a number up to"),
        ("a,b\n1,2\n3\n", r"line 3: found 1 cells, expected 2"),
        ("a,b\n1,2\n3,4,5\n", r"line 3: found 3 cells, expected 2"),
        ("a,b,a\n1,2,3\n", r"header: found the name 'a' for column 0 and column 2"),
        (",a,b\n0,1,2\n", r"header: column 0 has no name \(an index, as pandas writes it\?\).* drop=\[0\]"),
        ("a,b,\n0,1,2\n", r"header: column 2 has no name; "),
        ("", "found no rows"),
        ("\n\n", "found no rows"),
        ("a,b\n", "found no rows below the header"),
        ("a\n\n", "found no rows below the header"),
        ('a,b\n1,2\n1,"2\n', "unexpected end of data"),
        ('a,b\n1,2\n1,"2"3\n', "not a table in text: '.' expected after"),
    ],
)
def test_bad_cells_and_lines_are_named(write, text, message):
    path = write(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_data(path)
    assert str(caught.value).startswith(str(path))


def test_an_index_without_name_can_be_dropped(write):
    for drop in (0, -3):
        assert read_data(write(",a,b\n0,1,2\n"), drop=drop).feature_names == ("a", "b")


@pytest.mark.parametrize(("label", "others"), [("", "a"), ("nan", "a"), ("NA", "3"), ("?", "3")])
def test_missing_labels_are_named(write, label, others):
    text = "x,y\n" + f"1,{others}\n" * 3 + f"1,{label}\n"
    with pytest.raises(FormatError, match=r"line 5, column 'y': found .* \(a missing value\), expected a label"):
        read_data(write(text), target="y")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"target": "knid"},
            ValueError,
            r"target is 'knid'; .* no such column: expected one of .* Did you mean 'kind'",
        ),
        ({"target": 3}, ValueError, "target is 3; .* has 3 columns: expected an index from -3 to 2 or a name"),
        ({"target": True}, TypeError, "target is True"),
        ({"target": 1.5}, TypeError, "target is 1.5"),
        ({"drop": "witdh"}, ValueError, "drop is 'witdh'.*Did you mean 'width'"),
        ({"drop": [1.0]}, TypeError, r"drop is \[1.0\]"),
        ({"target": "kind", "drop": ["kind"]}, ValueError, "target is 'kind', which drop leaves out"),
        ({"target": "kind", "drop": ["length", "width"]}, FormatError, "no feature column is left"),
        ({"feature_names": "kind"}, TypeError, "feature_names is 'kind'; expected a sequence"),
        ({"delimiter": "colon"}, ValueError, "delimiter is 'colon'; expected one character, or one of comma"),
        ({"delimiter": "\n"}, ValueError, "delimiter is "),
        ({"header": "yes"}, TypeError, "header is 'yes'"),
        ({"task": "cluster"}, ValueError, "task is 'cluster'"),
        ({"part": "tests"}, ValueError, "part is 'tests'; .*Did you mean 'test'"),
        ({"part": "test", "drop": "kind"}, ValueError, "part is 'test'; .* brings whole"),
        ({"classes": [[1]]}, ValueError, r"classes has shape \(1, 1\)"),
        ({"classes": []}, ValueError, "classes has shape"),
    ],
)
def test_wrong_arguments_are_named(write, arguments, error, message):
    with pytest.raises(error, match=message):
        read_data(write(FLOWERS), **arguments)


def test_what_is_not_utf8_is_named_by_line_and_byte(write):
    with pytest.raises(FormatError, match="line 3: found the byte 0xE4, expected UTF-8; save it as UTF-8"):
        read_data(write(b"a,b\n1,2\n3," + "ä\n".encode("latin-1")))
    with pytest.raises(FormatError, match="line 1: found the byte 0xFF, expected UTF-8; it begins as UTF-16 does"):
        read_data(write("a,b\n1,2\n".encode("utf-16")))


# Two ways to read a block


def test_the_fast_way_and_the_slow_way_agree(write, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4)) * 10.0 ** rng.integers(-30, 30, (500, 4))
    text = "".join(f"{a!r},{b:.3e},c{int(abs(c) > 1)},{d}\n" for a, b, c, d in rows.tolist())
    path = write(text)
    fast = read_data(path, target=2)
    slow_calls = []
    original = delimited._Reader._slow
    monkeypatch.setattr(delimited._Reader, "_fast", lambda *arguments: None)
    monkeypatch.setattr(delimited._Reader, "_slow", lambda *arguments: slow_calls.append(1) or original(*arguments))
    slow = read_data(path, target=2)
    assert slow_calls
    np.testing.assert_array_equal(fast.X, slow.X)
    np.testing.assert_array_equal(fast.y, slow.y)
    np.testing.assert_array_equal(fast.X[:, 0], rows[:, 0].astype(np.float32))


def test_a_plain_table_needs_the_slow_way_nowhere(write, monkeypatch):
    monkeypatch.setattr(delimited._Reader, "_slow", None)
    assert read_data(write(FLOWERS), target="kind").X.shape == (3, 2)
    assert read_data(write('"a","b"\n1,"x"\n2,"y"\n'), target="b").classes.tolist() == ["x", "y"]
    assert read_data(write("id,a,b\nq1,1,2\nq2,3,4\n"), drop="id").X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("size", [1, 10, 50])
def test_blocks_join_without_a_seam(write, monkeypatch, size):
    monkeypatch.setattr(delimited, "_BLOCK", size)
    rows = [f'{i},"k\n{i % 3}",{i + 0.5}' for i in range(40)]
    found = read_data(write("a,kind,b\n" + "\n".join(rows)), target="kind")
    np.testing.assert_array_equal(found.X, np.float32([[i, i + 0.5] for i in range(40)]))
    assert found.y.tolist() == [i % 3 for i in range(40)]
    with pytest.raises(FormatError, match="line 62, column 'b': found 'x'"):
        read_data(write("a,kind,b\n" + "\n".join([*rows[:30], "1,2,x", *rows])), target="kind")


def test_long_labels_are_not_cut(write):
    labels = ["k" * 70 + end for end in "ab"]
    assert read_data(write(f"1,{labels[0]}\n2,{labels[1]}\n"), target=1).classes.tolist() == labels


@given(
    st.lists(
        st.tuples(
            st.floats(-(2.0**100), 2.0**100, width=32),
            st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=6),
        ),
        min_size=2,
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_csv_writes_is_read(tmp_path, rows, delimiter, quoting):
    rows = [(number, "x" + word.strip() + "x") for number, word in rows]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting)
    writer.writerow(["number", "word"])
    writer.writerows([repr(number), word] for number, word in rows)
    path = tmp_path / "table.csv"
    path.write_bytes(buffer.getvalue().encode())
    found = read_data(path, target="word", delimiter=delimiter)
    np.testing.assert_array_equal(found.X[:, 0], np.float32([number for number, _ in rows]))
    assert found.classes[found.y].tolist() == [word for _, word in rows]
    assert sorted(set(found.classes.tolist())) == found.classes.tolist()


# Parquet


def parquet(path, **columns):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def test_parquet_reads_as_csv_does(tmp_path):
    path = parquet(
        tmp_path / "table.parquet", a=[1, 2, 3], flag=[True, False, True], kind=["x", "y", "x"], b=[0.5, 1.5, 2.5]
    )
    found = read_data(path, target="kind")
    assert found.X.dtype == np.float32
    assert found.X.tolist() == [[1, 1, 0.5], [2, 0, 1.5], [3, 1, 2.5]]
    assert (found.y.tolist(), found.classes.tolist()) == ([0, 1, 0], ["x", "y"])
    assert found.feature_names == ("a", "flag", "b")
    assert read_data(path, target="b", drop=["kind"]).y.tolist() == [0.5, 1.5, 2.5]
    assert read_data(path, target=0, drop="kind").classes.tolist() == [1, 2, 3]
    assert read_data(path, feature_names=["b", "a"]).X.tolist() == [[0.5, 1], [1.5, 2], [2.5, 3]]


def test_dictionaries_of_text_are_labels(tmp_path):
    import pyarrow

    kind = pyarrow.array(["x", "y", "x"]).dictionary_encode()
    assert read_data(parquet(tmp_path / "t.parquet", a=[1, 2, 3], kind=kind), target="kind").y.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({"a": [1.0, 2.0, None]}, None, r"row 2, column 'a': found a missing value \(null\), expected a number"),
        ({"a": [1.0, 2.0, float("nan")]}, None, r"row 2, column 'a': found a missing value \(NaN\)"),
        ({"a": [1.0, 2.0, 1e39]}, None, r"row 2, column 'a': found infinity"),
        ({"a": [1.0], "k": ["x"], "l": ["y"]}, None, r"column 'k': found the type string.*drop=\['k', 'l'\]"),
        (
            {"a": [1, 2, 3], "k": ["x", None, "y"]},
            "k",
            r"row 1, column 'k': found a missing value \(null\), expected a l",
        ),
        ({"a": [1, 2, 3], "k": [1.0, 2.0, float("nan")]}, "k", r"column 'k', row 2: found nan"),
    ],
)
def test_bad_parquet_columns_are_named(tmp_path, columns, target, message):
    with pytest.raises(FormatError, match=message):
        read_data(parquet(tmp_path / "table.parquet", **columns), target=target)


def test_damaged_parquet(tmp_path):
    whole = parquet(tmp_path / "table.parquet", a=[1, 2, 3]).read_bytes()
    for content in (whole[:-5], b"PAR1", b"nothing of the kind"):
        (tmp_path / "bad.parquet").write_bytes(content)
        with pytest.raises(FormatError, match=r"bad\.parquet: not a whole Parquet file"):
            read_data(tmp_path / "bad.parquet")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    path = parquet(tmp_path / "table.parquet", a=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastnet-numba\[parquet\]'"):
        read_data(path)


def test_load_data_asks_for_a_target_before_anything_else(write):
    with pytest.raises(ValueError, match=r"target is missing: .* One of length, width, kind\.$"):
        load_data(write(FLOWERS))
    with pytest.raises(ValueError, match=r"One of a, Label\. Did you mean 'Label'"):
        load_data(write("a,Label\n1,2\n"))
    with pytest.raises(ValueError, match=r"the index of the column to predict; .* has 2 columns, "):
        load_data(write("1,2\n"))


def test_all_columns_of_text_are_named_at_once(write):
    text = 'id,name,sex,age,alive\n1,"Braund, Owen",male,,yes\n'
    with pytest.raises(FormatError, match=r"column 'name': found 'Braund, Owen'.*drop=\['name', 'sex', 'alive'\], or"):
        read_data(write(text))
