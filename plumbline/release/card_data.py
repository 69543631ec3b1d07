"""The model card's sections on data: what was split, what is read, and how."""

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.extract.features import feature_table
from plumbline.release.description import Release
from plumbline.release.manifest import Manifest
from plumbline.release.markdown import block, bullets, code, names, table
from plumbline.release.treatments import treatments

Facts = Mapping[str, Any]


def evaluation_data(release: Release, manifest: Manifest) -> Iterator[str]:
    """How rows were split, and what lies on each side."""
    options = release.spec.split.model_dump(mode="json")
    declared = ", ".join(f"{name} {value}" for name, value in options.items() if name != "policy")
    reads = manifest.test_reads
    yield bullets(
        f"Split: {options['policy']} ({declared})",
        *_excluded(release.split.certificate),
        f"Test rows of this dataset version opened so far: {release.test_reads} time(s); the "
        f"evaluation was reading {reads.reading}, and {reads.allowed} may be at full width",
    )
    yield from _sides(release.split.certificate)


def training_data(release: Release, manifest: Manifest) -> Iterator[str]:
    """The extract, and each of its columns."""
    snapshot, normalization = release.split.snapshot, release.read
    parameters = names(f"{name} = {value}" for name, value in snapshot.parameters.items())
    yield bullets(
        f"Extract: {snapshot.rows:,} rows, one per {names(snapshot.key)}, read from PostgreSQL "
        f"{snapshot.server_version}",
        f"Parameters: {parameters or 'none'}",
        f"Fitted on the {normalization.row_count:,} training rows; {normalization.method} scaling",
    )
    yield block(snapshot.query, "sql")
    yield "Columns that the model reads:"
    inputs = treatments(manifest.inputs, normalization)
    yield table(("Column", "Type", "Read as", "Treatment"), inputs)
    yield "Unusual values in them, the same in training and in scoring:"
    yield table(("Value", "Treatment"), manifest.unusual_values.items())
    yield "Columns that it does not read:"
    reasons = feature_table(snapshot, release.spec).ignored | normalization.dropped
    unread = [(code(k), why) for k, why in reasons.items() if k not in normalization.columns]
    yield table(("Column", "Reason"), unread)


def _excluded(certificate: Facts) -> Iterator[str]:
    """Rows that are on no side, by reason; nothing where there are none."""
    excluded = certificate["excluded"]
    reasons = {name: sum(counts.values()) for name, counts in excluded["reasons"].items()}
    if excluded["rows"]:
        told = ", ".join(f"{name} {rows:,}" for name, rows in reasons.items() if rows)
        yield f"On no side: {excluded['rows']:,} rows ({told})"


def _sides(certificate: Facts) -> Iterator[str]:
    """Rows, labels and moments of each side; of several classes or labels one table more."""
    time, sides = certificate["time"], certificate["sides"]
    rows = {
        name: {"Side": name, "Rows": f"{one['rows']:,}", **_label(one)}
        for name, one in sides.items()
    }
    if time:
        column = code(time["column"])
        for name, span in time["ranges"].items():
            rows[name] |= {f"First {column}": span["first"], f"Last {column}": span["last"]}
    yield table(list(rows["train"]), [list(one.values()) for one in rows.values()])
    for many, one in (("classes", "Class"), ("labels", "Label")):
        if many in sides["train"]:
            yield table((one, *sides), _of_several(sides, many))


def _label(side: Facts) -> dict[str, str]:
    """What is said of the label beside the rows, if it is one of two classes or a number."""
    if "label_rate" in side:
        return {"Positive": f"{100 * side['label_rate']['value']:.2f} %"}
    if "mean" not in side:
        return {}
    ends = {"Mean": side["mean"]["value"], "Least": side["min"], "Greatest": side["max"]}
    return {name: f"{value:.6g}" for name, value in ends.items()}


def _of_several(sides: Facts, many: str) -> Iterator[tuple[str, ...]]:
    for name in sides["train"][many]:
        counts = [side[many][name]["rows"] for side in sides.values()]
        yield (code(name), *(f"{count:,}" for count in counts))
