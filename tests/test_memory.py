"""Training gathers rows from the user's own array: the data set is never copied."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to reset the peak"
)

SCRIPT = """
import sys
from pathlib import Path
import fastnet

def kilobytes(field):
    status = Path("/proc/self/status").read_text()
    return int(status.split(field + ":")[1].split()[0])

data = fastnet.datasets.load_mnist()
sizes, batch_size = [784, int(sys.argv[1]), 10], int(sys.argv[2])
validation = (data.X_val, data.y_val)
fastnet.Trainer(fastnet.Network(sizes), batch_size=batch_size).fit(
    data.X_train[:1000], data.y_train[:1000], epochs=1, validation_data=(data.X_val[:10], data.y_val[:10])
)
trainer = fastnet.Trainer(fastnet.Network(sizes), batch_size=batch_size)
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
trainer.fit(data.X_train, data.y_train, epochs=2, validation_data=validation)
print((kilobytes("VmHWM") - before) / 1024, kilobytes("VmHWM") / 1024)
"""

MAPPED = """
import sys, threading, time
from pathlib import Path
import numpy as np, fastnet

def megabytes():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024

def watch():
    while True:
        peak[0] = max(peak[0], megabytes())
        time.sleep(0.005)

n = int(sys.argv[2])
X, y = np.memmap(sys.argv[1], np.uint8, "r", shape=(n, 784)), np.zeros(n, np.int32)
trainer = fastnet.Trainer(fastnet.Network([784, 10, 10]), batch_size=256)
trainer.fit(X[:1000], y[:1000], epochs=1)
before, peak = megabytes(), [0.0]
threading.Thread(target=watch, daemon=True).start()
trainer.fit(X, y, epochs=1)
print(peak[0] - before)
"""


def assert_little_anonymous_memory(folder, gigabytes):
    """A file with a hole: all its pixels are zero, and none of them is on the disk."""
    path, n = folder / "X", int(gigabytes * 1e9 / 784)
    with path.open("wb") as file:
        file.truncate(n * 784)
    command = [sys.executable, "-c", MAPPED, str(path), str(n)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=True)
    assert float(result.stdout) < 50 + 8 * n / 1e6, f"training added {result.stdout} MB for {n} samples"


@pytest.mark.parametrize("gigabytes", [1, 14])
def test_mapped_data_stay_on_the_disk(gigabytes, tmp_path):
    """Of 14 GB no lists are made, and 8 bytes a sample are more than what else a fit takes."""
    assert_little_anonymous_memory(tmp_path, gigabytes)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_data_larger_than_memory_can_be_mapped(tmp_path):
    assert_little_anonymous_memory(tmp_path, 20)


@pytest.mark.mnist
@pytest.mark.parametrize(("hidden", "batch_size"), [(10, 32), (300, 128)])
def test_training_adds_little_memory(mnist, hidden, batch_size):
    command = [sys.executable, "-c", SCRIPT, str(hidden), str(batch_size)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    added, peak = map(float, result.stdout.split())
    assert added < 100, f"training added {added:.0f} MB"
    assert peak < 350, f"the process took {peak:.0f} MB"
