"""Ask the Hugging Face hub about a file: where its bytes are, how many, and their checksum.

The bytes themselves are downloaded by download.py: huggingface_hub throws away what it has of a download that breaks
off, checks no checksum, and tries a dead server again for a minute.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..artifacts.errors import DownloadError
from .download import check_online, socket_timeout_s, watch

_SHA256_DIGITS = 64  # of a large file the hub's ETag is the sha256; of a small one it is git's sha1


@dataclass(frozen=True)
class Located:
    """A file on the hub: `size` in bytes, `sha256` "" where the hub does not say; `headers` carry the user's token."""

    url: str
    headers: Mapping[str, str]
    size: int | None
    sha256: str


def locate(repository: str, file: str) -> Located:
    """Asks the hub at HF_ENDPOINT, as the user whose token huggingface_hub knows. Raises DownloadError."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    host = urlsplit(endpoint).netloc
    check_online(f"{repository} on {host}")
    return watch(lambda beat: _locate(endpoint, host, repository, file), host)


def _locate(endpoint: str, host: str, repository: str, file: str) -> Located:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers

    url, headers = hf_hub_url(repository, file, endpoint=endpoint), build_hf_headers()
    try:
        facts = get_hf_file_metadata(url, timeout=socket_timeout_s(), headers=headers, endpoint=endpoint)
    except GatedRepoError as e:
        raise DownloadError(f"{repository} on {host} wants its terms accepted and a token: `hf auth login`") from e
    except HfHubHTTPError as e:
        status = e.response.status_code
        if status in (401, 404):  # 401 is what the hub says of a repository that does not exist
            raise DownloadError(f"there is no {repository}/{file} on {host}") from e
        raise DownloadError(f"{host} refuses {repository}/{file} (HTTP {status})") from e
    except Exception as e:  # the errors of an HTTP client that changes its name with huggingface_hub's version
        raise DownloadError(f"{host} cannot be reached ({e})") from e
    if facts.commit_hash is None:
        raise DownloadError(f"{host} does not answer as a hub does: is HF_ENDPOINT right, is there a login page?")
    if urlsplit(facts.location).netloc != host:  # the token is not for the servers that keep the bytes
        headers = {key: value for key, value in headers.items() if key.lower() != "authorization"}
    etag = facts.etag or ""
    return Located(facts.location, headers, facts.size, etag if len(etag) == _SHA256_DIGITS else "")


def find_cached(repository: str, file: str) -> Path | None:
    """The file in huggingface_hub's own cache, where other libraries may have put it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None
