"""The panel's tests: from here on `import qt`, `import ctk` and Slicer's own modules find the stand-ins."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from panel.stand_ins.slicer_application import install

install()
