"""Every error Plumbline raises on purpose.

PlumblineError
├── SpecError               what a user declared cannot be
├── DatabaseUnreachable     no PostgreSQL answers at the address given
├── ExtractError            the query or its rows break the extract's contract
│   ├── QueryFailed         PostgreSQL refused the query, or a parameter is missing
│   ├── KeyViolation        the key has NULLs or duplicates
│   ├── LabelViolation      the label has NULLs, one class, or a value outside the task
│   └── UnsupportedType     a column's type has no place in a feature table
├── VersionConflict         a version's name is already bound to something else
├── SplitError              a split came out empty, one-sided or unassigned
├── LeakageError            something but the training rows was about to be fitted
├── NormalizationError      a feature cannot be fitted or transformed
├── TrainingError           a model could not be trained
│   ├── ClusterError        a Ray cluster is away, too small, or its nodes are not alike
│   └── WorkerLost          a worker died or hung; another attempt may do better
├── DecisionError           no decision can be made of scores, or one that is written is none
├── StoreError
│   ├── ArtifactMissing     an artifact was never made, or was pruned
│   ├── ArtifactCorrupt     an artifact's bytes are not those that were published
│   ├── StoreUnwritable     the store is read-only or full
│   └── StoreUnreachable    the bucket of the store does not answer, or refuses
├── RegistryError           the registry's rows contradict each other
├── HistoryError            two versions cannot be compared, or a key cannot be looked up
├── BundleError             a bundle, or rows given to it, cannot be trusted
│   └── ScoringError        rows cannot be read, or scores not written where they were to go
├── PromotionError          a bundle cannot take the place of the current one as asked
│   └── NotComparable       two bundles cannot be held against each other on rows new to both
└── ServingError            the scoring server cannot run as asked, or refuses a request
"""


class PlumblineError(Exception):
    """Says what was found, what was expected and what to do; keeps the values as attributes.

    The message reads `found; expected …; to fix: …`, in lower case.
    """

    def __init__(self, found: str, *, expected: str = "", remedy: str = "", **values: object):
        parts = [found]
        if expected:
            parts.append(f"expected {expected}")
        if remedy:
            parts.append(f"to fix: {remedy}")
        super().__init__("; ".join(parts))
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.values = values


class SpecError(PlumblineError): ...


class DatabaseUnreachable(PlumblineError): ...


class ExtractError(PlumblineError): ...


class QueryFailed(ExtractError): ...


class KeyViolation(ExtractError): ...


class LabelViolation(ExtractError): ...


class UnsupportedType(ExtractError): ...


class VersionConflict(PlumblineError): ...


class SplitError(PlumblineError): ...


class LeakageError(PlumblineError): ...


class NormalizationError(PlumblineError): ...


class TrainingError(PlumblineError): ...


class ClusterError(TrainingError): ...


class WorkerLost(TrainingError): ...


class DecisionError(PlumblineError): ...


class StoreError(PlumblineError): ...


class ArtifactMissing(StoreError): ...


class ArtifactCorrupt(StoreError): ...


class StoreUnwritable(StoreError): ...


class StoreUnreachable(StoreError): ...


class RegistryError(PlumblineError): ...


class HistoryError(PlumblineError): ...


class BundleError(PlumblineError): ...


class ScoringError(BundleError): ...


class PromotionError(PlumblineError): ...


class NotComparable(PromotionError): ...


class ServingError(PlumblineError): ...
