"""What `fastnet doctor` finds, how it judges, and that its self-test can fail."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import fastnet
from fastnet import _doctor, _self_test, cli


def by_name(found):
    return {check["name"]: check for check in found["checks"]}


def invoke(*args):
    return CliRunner().invoke(cli.app, ["doctor", *args])


def test_it_passes_here_and_prints_json():
    result = invoke("--json")
    found = json.loads(result.stdout)
    checks = by_name(found)
    assert result.exit_code == 0, result.stdout
    assert found["verdict"] in ("ok", "warning")
    assert checks["self-test"]["verdict"] == "ok"
    assert checks["numba"]["verdict"] == checks["numpy"]["verdict"] == "ok"
    assert checks["fastnet"]["found"] == fastnet.__version__


def test_the_table_has_a_line_for_each_check_and_fits():
    found = fastnet.doctor(self_test=False)
    lines = invoke("--no-self-test").stdout.splitlines()
    for check in found["checks"]:
        assert any(line.startswith(check["verdict"]) and check["name"] in line for line in lines)
    assert all(len(line) <= 80 or "/" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert lines[-1].startswith(f"{found['verdict']}: ")


def test_a_wrong_kernel_is_found(monkeypatch):
    right = _self_test._numpy_trained

    def wrong(X, y):
        rival = right(X, y)
        rival.weights[1][0, 0] += 2e-4
        return rival

    monkeypatch.setattr(_self_test, "_numpy_trained", wrong)
    result = invoke()
    assert result.exit_code == 1
    assert "broken   self-test" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("broken: ")


def test_nan_is_broken(monkeypatch):
    monkeypatch.setattr(_self_test, "_difference", lambda X, y: (np.nan, True, 2))
    assert by_name(fastnet.doctor())["self-test"]["verdict"] == "broken"


def test_other_bits_for_other_threads_are_broken(monkeypatch):
    monkeypatch.setattr(_self_test, "_difference", lambda X, y: (0.0, False, 2))
    assert by_name(fastnet.doctor())["threads"]["verdict"] == "broken"


def test_a_look_that_fails_is_a_finding(monkeypatch):
    def fails():
        raise OSError("no such device")

    monkeypatch.setattr(_self_test, "run_self_test", fails)
    found = by_name(fastnet.doctor())["self test"]
    assert (found["verdict"], found["found"]) == ("broken", "OSError: no such device")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("1.2.3", "ok"), ("1.2", "ok"), ("1.4.9", "ok"), ("1.5.0", "warning"), ("2.0", "warning"), ("1.1.9", "broken")],
)
def test_versions(monkeypatch, version, verdict):
    monkeypatch.setattr(_doctor.metadata, "version", lambda library: version)
    check = _doctor._version("thing", "1.2", "1.4")
    assert check.verdict == verdict
    assert ("1.2 to 1.4" in check.found) == (verdict != "ok")


def test_what_is_not_installed_is_broken():
    check = _doctor._version("no-such-distribution", "1.2", None)
    assert (check.verdict, check.advice) == ("broken", "pip install 'no-such-distribution>=1.2'")


def test_the_oldest_versions_are_those_of_the_project():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    oldest = dict(requirement.split(">=") for requirement in project["dependencies"])
    assert {library: versions[0] for library, versions in _doctor.TESTED.items()} == oldest


def test_quota_of_a_container(tmp_path):
    assert _doctor.cpu_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _doctor.cpu_quota(tmp_path) is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    assert _doctor.cpu_quota(tmp_path) == 0.5
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert _doctor.cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _doctor.cpu_quota(tmp_path) is None


def test_a_quota_below_the_cpus_is_a_warning(monkeypatch):
    monkeypatch.setattr(_doctor, "cpu_quota", lambda: 0.5)
    check = by_name(fastnet.doctor(self_test=False))["CPUs"]
    assert check["verdict"] == "warning"
    assert "--threads 1" in check["advice"]


def test_settings_of_the_compiler_are_named(monkeypatch):
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    checks = by_name(fastnet.doctor(self_test=False))
    assert checks["NUMBA_BOUNDSCHECK"]["verdict"] == "warning"
    assert "NUMBA_DISABLE_JIT" not in checks
    assert "OMP_NUM_THREADS=3" in checks["thread variables"]["found"]


def test_no_cache_folder_is_a_warning_that_says_why(monkeypatch):
    monkeypatch.setattr("fastnet._info.cache_folder", lambda: None)
    check = by_name(fastnet.doctor(self_test=False))["kernel cache"]
    assert check["verdict"] == "warning"
    assert "FASTNET_CACHE_DIR" in check["advice"]


def test_optional_libraries_say_what_they_are_for(monkeypatch):
    monkeypatch.setattr(_doctor, "find_spec", lambda module: None)
    check = by_name(fastnet.doctor(self_test=False))["matplotlib"]
    assert (check["verdict"], "fastnet-numba[plot]" in check["found"]) == ("note", True)
