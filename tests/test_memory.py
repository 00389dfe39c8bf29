"""Training gathers rows from the user's own array: the data set is never copied."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.mnist,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to reset the peak"),
]

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
print((kilobytes("VmHWM") - before) / 1024)
"""


@pytest.mark.parametrize(("hidden", "batch_size"), [(10, 32), (300, 128)])
def test_training_adds_little_memory(mnist, hidden, batch_size):
    command = [sys.executable, "-c", SCRIPT, str(hidden), str(batch_size)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert float(result.stdout) < 100, f"training added {result.stdout} MB"
