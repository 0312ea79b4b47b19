"""Write an .aimodel folder that is the same, byte for byte, for the same program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METADATA_KEY = "com.edgeport"
METADATA_FILE = "metadata.json"
_DATE = "creationDate"


def save(program: Any, directory: Path, facts: Mapping[str, Any]) -> None:
    """The new folder `directory`; `facts` stand in its own metadata under "com.edgeport", as a text that is JSON.

    The library's date goes, and keys are sorted.
    """
    from coreai.runtime import AIModelAssetMetadata

    metadata = AIModelAssetMetadata()
    metadata.author = "edgeport"
    metadata.model_description = str(facts.get("model", ""))
    if isinstance(facts.get("license"), str):
        metadata.license = facts["license"]
    metadata.set_custom(METADATA_KEY, json.dumps(facts, sort_keys=True, separators=(",", ":")))
    program.save_asset(directory, metadata)
    path = directory / METADATA_FILE
    written = json.loads(path.read_text())
    written.pop(_DATE, None)
    path.write_text(json.dumps(written, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
