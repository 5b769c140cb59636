"""Open the course in JupyterLab: ``python -m helpers lab``.

JupyterLab's settings for the course are in `jupyter/`, where it looks before it looks into the reader's
home, which is left alone: no news, no question whether there should be any, no look for updates, and
Ctrl-C ends the server without asking back. The token that keeps others out stays.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyterlab.labapp import main as jupyterlab

from helpers.course.requirements import ROOT

SETTINGS = Path(__file__).with_name("jupyter")
FIRST = "notebooks/00_start_here.ipynb"


def main(argv: list[str]) -> None:
    os.chdir(ROOT)
    above = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), above]))
    # A kernel "python3" in the reader's home, of another Python, must not stand in for this one's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    options = [f"--ServerApp.root_dir={ROOT}"]
    if Path(FIRST).exists():
        options.append(f"--LabApp.default_url=/lab/tree/{FIRST}")
    jupyterlab([*options, *argv])


if __name__ == "__main__":
    main(sys.argv[1:])
