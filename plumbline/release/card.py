"""The model card: facts, under the headings of Mitchell et al., Model Cards for Model Reporting
(FAT* 2019). What nobody declared or measured is said to be so.
"""

from collections.abc import Iterator, Sequence

from plumbline.network.diagnosis.findings import CHECKS, Finding
from plumbline.release import card_data, card_decision, card_results
from plumbline.release.description import Release
from plumbline.release.manifest import Manifest
from plumbline.release.markdown import block, bullets, code, names, table

_KINDS = {
    "binary": "binary classification",
    "multiclass": "classification, several classes",
    "multilabel": "classification, several labels",
    "regression": "regression",
}


def render(release: Release, manifest: Manifest) -> str:
    """The card in Markdown."""
    sections = {
        "Model details": _details,
        "Intended use": _use,
        "Factors": card_results.factors,
        "Metrics": card_results.metrics,
        "Evaluation data": card_data.evaluation_data,
        "Training data": card_data.training_data,
        "Quantitative analyses": card_results.analyses,
        "Ethical considerations": _ethics,
        "Caveats and recommendations": _caveats,
    }
    parts = [f"# Model card: {manifest.pipeline}"]
    for title, paragraphs in sections.items():
        parts += [f"## {title}", *paragraphs(release, manifest)]
    return "\n\n".join(parts) + "\n"


def _details(release: Release, manifest: Manifest) -> Iterator[str]:
    git = manifest.git
    commit = "not known: the project is not a git checkout"
    if git:
        commit = code(git.commit) + ", with changes not committed" * git.dirty
    locks = ", ".join(f"{name} {code(digest)}" for name, digest in manifest.locks.items())
    yield bullets(
        f"Model: {manifest.kind}, {_KINDS[manifest.task]}",
        f"Predicts: {_predicts(manifest)}",
        f"Owners: {', '.join(release.spec.owners) or 'none declared'}",
        f"Git commit: {commit}",
        f"Made with: {_environment(manifest)}",
        f"SHA-256 of locks: {locks or 'the project has none'}",
        f"Image: {code(manifest.image) if manifest.image else 'none named'}",
    )
    versions = vars(manifest.versions).items()
    yield table(
        ("Version", "Value"), [(name.replace("_", " "), code(value)) for name, value in versions]
    )


def _predicts(manifest: Manifest) -> str:
    label, classes = code(manifest.label), names(manifest.classes)
    match manifest.task:
        case "binary" if manifest.positive_label is None:
            return f"the probability that {label} is true or 1"
        case "binary":
            return f"the probability that {label} is {code(manifest.positive_label)}"
        case "multiclass":
            return f"the probability of each class of {label}: {classes}"
        case "multilabel":
            return f"for {label}, the probability of each label by itself: {classes}"
        case "regression":
            return f"{label}, in the unit of its column"


def _environment(manifest: Manifest) -> str:
    told = {name: version or "none" for name, version in manifest.environment.items()}
    return ", ".join(f"{name} {version}" for name, version in told.items())


def _use(release: Release, manifest: Manifest) -> Iterator[str]:
    yield release.spec.description or "Nothing is declared under `description`."
    forms = "Parquet" if any(one.image for one in manifest.inputs) else "Parquet or CSV"
    yield f"To score raw rows, {forms}, with the columns listed under Training data:"
    yield block("plumbline predict BUNDLE rows.parquet scored.parquet", "sh")
    yield "It adds these columns, and the versions that they come from:"
    meanings = card_decision.answers(manifest)
    yield table(
        ("Column", "Type", "What it says"),
        [(code(name), kind, meanings[name]) for name, kind in manifest.answers.items()],
    )


def _ethics(_: Release, manifest: Manifest) -> Iterator[str]:
    yield "Nothing is declared or measured about the people whom predictions affect."
    yield (
        f"The bundle carries data: `golden.parquet` holds {manifest.golden.rows} validation rows "
        "without their key and label, and `normalization.json` holds statistics and category "
        "values of the training rows, which `manifest.json` repeats."
    )


def _caveats(release: Release, manifest: Manifest) -> Iterator[str]:
    yield bullets(
        f"Intervals treat {_independent(release)} as independent of each other",
        *card_results.caveats(release, manifest),
        *["The split is not by time; how scores hold on later rows is not measured"]
        * (release.spec.split.policy in ("hash", "stratified")),
    )
    if release.findings is not None:
        yield "### Diagnosis of the training"
        yield from _diagnosis(release.findings)


def _diagnosis(findings: Sequence[Finding]) -> Iterator[str]:
    found = {one.check for one in findings}
    yield f"Nothing was found by: {names(check for check in CHECKS if check not in found)}."
    if findings:
        header = ("Check", "Severity", "Evidence", "Likeliest cause", "Remedies, in this order")
        rows = [
            (code(f.check), f.severity, f.evidence, f.cause, "; ".join(f.remedies))
            for f in findings
        ]
        yield table(header, rows)


def _independent(release: Release) -> str:
    group = release.split.group
    return "rows" if group is None else f"groups by {code(group)}, which were drawn whole,"
