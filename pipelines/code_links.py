"""Where the links of assets to their code lead: to files here, or to a repository's pages."""

import os
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
from dagster_shared.record import replace

from plumbline.errors import SpecError


def linked(definitions: dg.Definitions, root: Path) -> dg.Definitions:
    """The same, with references that lead to `PLUMBLINE_GIT_URL` at `PLUMBLINE_GIT_REVISION`.

    Without it they stay files, which is what an editor beside the UI opens.

    Raises:
        SpecError: the address carries a password, which everyone would see, or is neither
            GitHub's nor GitLab's.
    """
    url = os.environ.get("PLUMBLINE_GIT_URL", "").removesuffix("/").removesuffix(".git")
    if not url:
        return definitions
    _require_shown(url)
    with warnings.catch_warnings():
        # Dagster calls its own links to code beta; we pin its version.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = dg.link_code_references_to_git(
            list(definitions.assets or ()),  # pyright: ignore[reportArgumentType]
            git_url=url,
            git_branch=os.environ.get("PLUMBLINE_GIT_REVISION", "main"),
            file_path_mapping=dg.AnchorBasedFilePathMapping(
                local_file_anchor=root, file_anchor_path_in_repository="."
            ),
        )
    return replace(definitions, assets=assets)


def _require_shown(url: str) -> None:
    address = urlsplit(url)
    host = address.hostname or ""
    if (
        address.scheme != "https"
        or "@" in address.netloc
        or not {"github", "gitlab"} & set(host.split("."))
    ):
        raise SpecError(
            f"PLUMBLINE_GIT_URL leads to {host or 'no host'}",
            expected="https://, without a login, and a host of GitHub or GitLab",
            remedy="set it to the address of the repository's page, or unset it",
        )
