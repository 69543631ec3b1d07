"""The artifact store: content-verified folders, whole or absent, on a path or in a bucket.

An artifact is named by what it was made from: pipeline, stage and fingerprint. On a path it lies
at `<root>/<pipeline>/<stage>/<fingerprint>/`. It is written under a temporary name beside its
place, listed with the SHA-256 of each file in `artifact.json`, flushed to disk and renamed. A
process that dies in between leaves only a temporary folder, which the next writer of the same
artifact removes. What a writer wants to find again after its death it puts into the draft's
workplace, which goes when the artifact is published.

In a bucket (`s3://`, `gs://`, `az://`) its files lie under the same prefix by their SHA-256, and
`artifact.json` is written last, on the condition that there is none yet: it is what makes an
artifact exist. Whoever reads gets a folder on this machine, fetched once and verified.
"""

from plumbline.store.artifact_store import SET_ASIDE, ArtifactStore
from plumbline.store.drafts import ABANDONED, alive, rename_if_absent, workplace
from plumbline.store.sealed import MANIFEST, files_of, flush, mismatches, sha256_of, verify

__all__ = [
    "ABANDONED",
    "MANIFEST",
    "SET_ASIDE",
    "ArtifactStore",
    "alive",
    "files_of",
    "flush",
    "mismatches",
    "rename_if_absent",
    "sha256_of",
    "verify",
    "workplace",
]
