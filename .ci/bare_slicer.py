"""Open the module where nothing but what Slicer brings is installed, and import every file of its panel and bridge.

Usage: python .ci/bare_slicer.py, in an environment of .ci/slicer_brings.txt
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "AnomalyDetection"
NOT_BROUGHT = ("torch", "click", "jinja2", "nibabel", "deepbet", "safetensors")
NOT_LOADED = (*NOT_BROUGHT, "highdicom", "PIL", "tqdm", "matplotlib")
SLOW = ("scipy.ndimage", "scipy.optimize", "scipy.sparse")  # slow to import: `import scipy` loads them at use

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(MODULE), str(ROOT / "Testing")]

there = [name for name in NOT_BROUGHT if find_spec(name)]
assert not there, f"this is no bare Slicer, it has {', '.join(there)}"

from panel.stand_ins.slicer_application import SlicerApplication  # noqa: E402

names = [
    ".".join(path.relative_to(MODULE).with_suffix("").parts)
    for part in ("panel", "scene")
    for path in sorted((MODULE / "AnomalyDetectionLib" / part).glob("*.py"))
]
with tempfile.TemporaryDirectory() as folder:
    slicer = SlicerApplication(Path(folder))
    try:
        panel = slicer.open(slicer.load_module(MODULE / "AnomalyDetection.py"))
        for name in names:
            importlib.import_module(name)
        slow = [name for name in SLOW if name in sys.modules]
        assert not slow, f"loaded before it is used: {', '.join(slow)}"
        panel.ui.loadSampleButton.click()
        assert panel.ui.detectButton.enabled, f"the sample cannot be run: {panel.ui.inputsMessageLabel.text}"
        missing = importlib.import_module("AnomalyDetectionLib.panel.first_run").missing_requirements()
    finally:
        slicer.stop()
    assert not slicer.errors, "\n".join(slicer.errors)

more = {re.split("[>=]", requirement)[0] for requirement in missing} - {*NOT_BROUGHT}
assert not more, f"to be installed at the first run, too: {', '.join(more)}"
loaded = [name for name in NOT_LOADED if sys.modules.get(name)]
assert not loaded, f"loaded by the panel or the bridge: {', '.join(loaded)}"
print(
    f"{len(names)} files imported, the panel opened; to be installed at the first run: {', '.join(missing)}"
)
