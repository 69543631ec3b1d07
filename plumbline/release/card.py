"""The model card: facts, under the headings of Mitchell et al., Model Cards for Model Reporting
(FAT* 2019). What nobody declared or measured is said to be so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plumbline.evaluation.evaluate import Evaluation
from plumbline.extract.features import feature_table
from plumbline.network.diagnosis.findings import CHECKS, Finding
from plumbline.normalization.parameters import Normalization
from plumbline.release.manifest import Manifest
from plumbline.release.markdown import block, bullets, code, names, table
from plumbline.release.treatments import treatments
from plumbline.spec import PipelineSpec
from plumbline.spec.metrics import METRICS
from plumbline.split.split import Split


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card is made of."""

    manifest: Manifest
    spec: PipelineSpec
    split: Split
    normalization: Normalization
    evaluation: Evaluation
    test_reads: int
    """How often the test rows of this dataset version were opened so far (count)."""
    findings: tuple[Finding, ...] | None = None
    """Of the diagnosis of the network's training; None where no network is released."""


def render(facts: Facts) -> str:
    """The card in Markdown."""
    sections = {
        "Model details": _details,
        "Intended use": _use,
        "Factors": _factors,
        "Metrics": _metrics,
        "Evaluation data": _evaluation_data,
        "Training data": _training_data,
        "Quantitative analyses": _analyses,
        "Ethical considerations": _ethics,
        "Caveats and recommendations": _caveats,
    }
    parts = [f"# Model card: {facts.spec.name}"]
    for title, paragraphs in sections.items():
        parts += [f"## {title}", *paragraphs(facts)]
    return "\n\n".join(parts) + "\n"


def _details(facts: Facts) -> Iterator[str]:
    manifest, git = facts.manifest, facts.manifest.git
    commit = "not known: the project is not a git checkout"
    if git:
        commit = code(git.commit) + ", with changes not committed" * git.dirty
    environment = ", ".join(f"{name} {version}" for name, version in manifest.environment.items())
    yield bullets(
        f"Model: {manifest.kind}, {manifest.task} classification",
        f"Predicts: the probability that {_outcome(manifest)}",
        f"Owners: {', '.join(facts.spec.owners) or 'none declared'}",
        f"Git commit: {commit}",
        f"Made with: {environment}",
    )
    versions = vars(manifest.versions).items()
    yield table(
        ("Version", "Value"), [(name.replace("_", " "), code(value)) for name, value in versions]
    )


def _use(facts: Facts) -> Iterator[str]:
    yield facts.spec.description or "Nothing is declared under `description`."
    forms = "Parquet" if any(one.image for one in facts.manifest.inputs) else "Parquet or CSV"
    yield f"To score raw rows, {forms}, with the columns listed under Training data:"
    yield block("plumbline predict BUNDLE rows.parquet scored.parquet", "sh")
    yield (
        "It adds `score`, the probability, and `predicted`, which is 1 where the score is at "
        f"least {facts.manifest.threshold!r}."
    )


def _factors(_: Facts) -> Iterator[str]:
    yield "No group of rows was evaluated separately: each metric is over all rows of its side."


def _metrics(facts: Facts) -> Iterator[str]:
    manifest, evaluation = facts.manifest, facts.evaluation
    yield bullets(
        f"Reported: {names(manifest.metrics['test'])}, with {_percent(evaluation)} intervals",
        f"Threshold: {manifest.threshold!r}, chosen on the validation rows",
        f"A network is released if the {_percent(evaluation)} interval of its gain in test "
        f"{_deciding(evaluation)} over the best baseline lies above "
        f"{evaluation.comparison['minimum_gain']:g}",
    )


def _evaluation_data(facts: Facts) -> Iterator[str]:
    options = facts.spec.split.model_dump(mode="json")
    declared = ", ".join(f"{name} {value}" for name, value in options.items() if name != "policy")
    yield bullets(
        f"Split: {options['policy']} ({declared})",
        *_excluded(facts.split.certificate),
        f"Test rows of this dataset version opened so far: {facts.test_reads} time(s)",
    )
    yield _sides(facts.split.certificate)


def _excluded(certificate: dict[str, Any]) -> Iterator[str]:
    """Rows that are on no side, by reason; nothing where there are none."""
    excluded = certificate["excluded"]
    reasons = {name: sum(counts.values()) for name, counts in excluded["reasons"].items()}
    if excluded["rows"]:
        told = ", ".join(f"{name} {rows:,}" for name, rows in reasons.items() if rows)
        yield f"On no side: {excluded['rows']:,} rows ({told})"


def _sides(certificate: dict[str, Any]) -> str:
    time = certificate["time"]
    header = ["Side", "Rows", "Positive"]
    rows = {
        name: [name, f"{side['rows']:,}", f"{100 * side['label_rate']['value']:.2f} %"]
        for name, side in certificate["sides"].items()
    }
    if time:
        header += [f"First {code(time['column'])}", f"Last {code(time['column'])}"]
        for name, span in time["ranges"].items():
            rows[name] += [span["first"], span["last"]]
    return table(header, rows.values())


def _training_data(facts: Facts) -> Iterator[str]:
    snapshot, normalization = facts.split.snapshot, facts.normalization
    parameters = names(f"{name} = {value}" for name, value in snapshot.parameters.items())
    yield bullets(
        f"Extract: {snapshot.rows:,} rows, one per {names(snapshot.key)}, read from PostgreSQL "
        f"{snapshot.server_version}",
        f"Parameters: {parameters or 'none'}",
        f"Fitted on the {normalization.row_count:,} training rows; {normalization.method} scaling",
    )
    yield block(snapshot.query, "sql")
    yield "Columns that the model reads:"
    inputs = treatments(facts.manifest.inputs, normalization)
    yield table(("Column", "Type", "Read as", "Treatment"), inputs)
    yield "Unusual values in them, the same in training and in scoring:"
    yield table(("Value", "Treatment"), facts.manifest.unusual_values.items())
    yield "Columns that it does not read:"
    reasons = feature_table(snapshot, facts.spec).ignored | normalization.dropped
    unread = [(code(k), why) for k, why in reasons.items() if k not in normalization.columns]
    yield table(("Column", "Reason"), unread)


def _analyses(facts: Facts) -> Iterator[str]:
    evaluation = facts.evaluation
    winner = evaluation.candidates[evaluation.winner]
    yield f"{evaluation.decision}: {evaluation.reason}."
    name = _deciding(evaluation)
    yield f"Compared by {name}, {_percent(evaluation)} intervals; {evaluation.winner} is released:"
    candidates = [
        (
            kind,
            _interval(scores["val"][evaluation.metric]),
            _interval(scores["test"][evaluation.metric]),
            code(scores["model_version"][:12]),
        )
        for kind, scores in evaluation.candidates.items()
    ]
    yield table(("Candidate", "Validation", "Test", "Model version"), candidates)
    yield f"All metrics of {evaluation.winner}:"
    metrics = [
        (m, _interval(winner["val"][m]), _interval(winner["test"][m])) for m in winner["val"]
    ]
    yield table(("Metric", "Validation", "Test"), metrics)


def _ethics(facts: Facts) -> Iterator[str]:
    yield "Nothing is declared or measured about the people whom predictions affect."
    yield (
        f"The bundle carries data: `golden.parquet` holds {facts.manifest.golden.rows} validation "
        "rows without their key and label, and `normalization.json` holds statistics and "
        "category values of the training rows."
    )


def _caveats(facts: Facts) -> Iterator[str]:
    several = facts.test_reads > 1
    yield bullets(
        f"Intervals treat {_independent(facts)} as independent of each other",
        "The threshold was chosen for accuracy, which takes both kinds of error as equally bad",
        *["The test rows were opened before; intervals do not allow for that"] * several,
        *["The split is not by time; how scores hold on later rows is not measured"]
        * (facts.spec.split.policy in ("hash", "stratified")),
    )
    if facts.findings is not None:
        yield "### Diagnosis of the training"
        yield from _diagnosis(facts.findings)


def _diagnosis(findings: tuple[Finding, ...]) -> Iterator[str]:
    found = {one.check for one in findings}
    yield f"Nothing was found by: {names(check for check in CHECKS if check not in found)}."
    if findings:
        header = ("Check", "Severity", "Evidence", "Likeliest cause", "Remedies, in this order")
        rows = [
            (code(f.check), f.severity, f.evidence, f.cause, "; ".join(f.remedies))
            for f in findings
        ]
        yield table(header, rows)


def _outcome(manifest: Manifest) -> str:
    if manifest.positive_label is None:
        return f"{code(manifest.label)} is true or 1"
    return f"{code(manifest.label)} is {code(manifest.positive_label)}"


def _interval(measured: dict[str, float]) -> str:
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**measured)


def _deciding(evaluation: Evaluation) -> str:
    return METRICS[evaluation.metric].title


def _independent(facts: Facts) -> str:
    group = facts.split.group
    return "rows" if group is None else f"groups by {code(group)}, which were drawn whole,"


def _percent(evaluation: Evaluation) -> str:
    return f"{100 * evaluation.confidence:g} %"
