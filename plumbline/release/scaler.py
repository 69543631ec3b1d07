"""Whether a bundle normalizes as the registry says: by the row of its version, to the last bit."""

from plumbline.errors import BundleError
from plumbline.normalization.apply import PARAMETERS
from plumbline.normalization.parameters import Normalization, from_row
from plumbline.registry import Registry
from plumbline.release.opened import Bundle

TABLE = "normalization_params"


def require_registered(bundle: Bundle, registry: Registry) -> None:
    """Refuse a bundle whose `normalization.json` is not the registry's row of its version.

    Raises:
        BundleError: there is no such row, or it says otherwise; with the first that differs.
    """
    version = bundle.normalization.version
    row = registry.one(TABLE, normalization_version=version)
    if row is None:
        raise _refusal(bundle, f"is of version {version[:12]}, which {TABLE} does not have")
    registered = from_row(row)
    # Trees read no images, and their bundles have none.
    wanted = registered if bundle.normalization.images else registered.tabular
    if told := _differing(bundle.normalization, wanted):
        raise _refusal(bundle, f"differs from row {version[:12]} of {TABLE} in {told}")


def _differing(found: Normalization, wanted: Normalization) -> str | None:
    """The first thing that differs, with both values."""
    now, then = found.to_json(), wanted.to_json()
    for name in then:
        if now.get(name) == then[name]:
            continue
        if name in ("numeric", "categories") and len(now[name]) == len(then[name]):
            pairs = zip(now[name], then[name], strict=True)
            one, other = next((a, b) for a, b in pairs if a != b)
            field = next(key for key in other if one[key] != other[key])
            return f"{field} of {other['name']!r}: {one[field]!r} instead of {other[field]!r}"
        return f"{name}: {now.get(name)!r} instead of {then[name]!r}"
    return None


def _refusal(bundle: Bundle, found: str) -> BundleError:
    return BundleError(
        f"{PARAMETERS} in {bundle.folder} {found}",
        expected=f"what {TABLE} says of the version that the bundle names",
        remedy="release the model again; the registry's rows are never changed",
    )
