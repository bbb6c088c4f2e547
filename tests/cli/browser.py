# SPDX-License-Identifier: MIT
"""Pages in headless Chromium: what a page has become after its scripts have run."""
import os
import shutil
import subprocess
import tempfile

PROGRAM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def document(address, milliseconds=8000):
    """The page's elements as text, once its scripts have had so much time of their own clock."""
    folder = tempfile.mkdtemp(prefix="gcalloc-browser-")
    try:
        done = subprocess.run([PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
                               f"--user-data-dir={folder}", f"--virtual-time-budget={milliseconds}", "--dump-dom", address],
                              capture_output=True, timeout=100, check=True)
        return done.stdout.decode()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_in(page, script, path):
    """Writes a copy of a page, an SVG or HTML, that runs a script when it is loaded."""
    end = "</svg>" if page.rstrip().endswith("</svg>") else "</head>"
    if end == "</svg>":
        script = f"<![CDATA[\n{script}\n]]>"
    head, tail = page.rsplit(end, 1)
    with open(path, "w") as file:
        file.write(f"{head}<script>{script}</script>{end}{tail}")
    return "file://" + os.path.realpath(path)
