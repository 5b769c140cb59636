"""Loaded by pytest before all else (see pyproject.toml): tests begin 1.5 seconds sooner.

The notebook format's checker brings a parser for international web addresses, built anew in each process
in 0.8 seconds, and does without where it is missing. No notebook has anything for it to parse.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: importing it fails
