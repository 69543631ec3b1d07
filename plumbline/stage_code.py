"""Which modules decide the numbers of which stage: their source is part of its version."""

METRICS = ("plumbline.metrics", "plumbline.spec.metrics")

BASELINE = (
    *(
        f"plumbline.baselines.{name}"
        for name in (
            *("blocks", "examples", "fitted", "importances"),
            *("predictor", "score", "training"),
        )
    ),
    "plumbline.normalization.prepared",
    *METRICS,
)

BOOSTED = tuple(f"plumbline.baselines.{name}" for name in ("boosted_trees", "native", "row_blocks"))

# Without its proofs, which change no parameter.
NORMALIZATION = tuple(
    f"plumbline.normalization.{name}"
    for name in (
        *("apply", "columns", "fit", "matrix", "moments"),
        *("normal", "parameters", "quantiles", "scales", "vocabulary"),
    )
)

DIFF = ("diff", "differences", "effect", "pair", "places", "ranges", "values")

# Without its figures: a picture drawn anew is no reason to read the test split again.
EVALUATION = (
    *METRICS,
    "plumbline.decision",
    *(
        f"plumbline.evaluation.{name}"
        for name in (
            *("evaluate", "sides", "decisions"),
            *("comparison", "significance", "seeds", "judging", "candidates"),
            *("slices", "weak_segments", "complexity"),
        )
    ),
)

# Without archives and signatures, which are of a bundle and not in it.
RELEASE = tuple(
    f"plumbline.release.{name}"
    for name in (
        *("agreement", "arrays", "building", "bundle", "card", "card_data", "card_decision"),
        *("card_results", "description", "expectations", "golden", "inventory", "keras_layers"),
        *("layout", "manifest", "markdown", "opened", "predictors", "provenance", "raw"),
        *("scaler", "treatments"),
    )
)

# Who is champion is no input: a promotion is an event. By this version a bundle is put forward
# once; a comparison's own version names the champion, too, and is what a run records.
PROMOTION = (
    *METRICS,
    *(f"plumbline.promotion.{name}" for name in ("comparison", "entrants", "field", "rule")),
    "plumbline.promotion.sample",
    *(f"plumbline.evaluation.{name}" for name in ("comparison", "seeds", "sides", "significance")),
)

# Without its picture, and without the files and tables that a pipeline does not score.
SCORING = tuple(
    f"plumbline.scoring.{name}"
    for name in (
        *("answers", "batch", "blocks", "file_sources", "file_target"),
        *("judging", "rejects", "snapshots", "work"),
    )
)
