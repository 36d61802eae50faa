# What the rules of the study read, and params that depend on wildcards. There are functions alone in this file.


def baseline_training(wildcards):
    """How a baseline is trained: the section `train`, with what its own says."""
    return RANKING.baselines[wildcards.baseline].training(RANKING.train).canonical()


def baseline_order(wildcards):
    """The merged order of a baseline that learns from one."""
    is_ordered = RANKING.baselines[wildcards.baseline].kind == "order"
    return rules.ranking_ensemble_baseline.output.order if is_ordered else []


def baseline_values(wildcards):
    """The reference's values of patches, for a baseline that learns from them."""
    baseline = RANKING.baselines[wildcards.baseline]
    if baseline.kind == "order":
        return []
    return expand(VALUES, reference=baseline.reference, granule=TAUGHT)


def baseline_scores(wildcards):
    """The scores of all baselines, one baseline after another."""
    return expand(rules.ranking_predict_baseline.output.scores, baseline=BASELINES, granule=MAPPED)


def baseline_options(wildcards, input):
    """Whose scores each of these files contains."""
    names = [name for name in BASELINES for _ in MAPPED]
    return [f"{name}={file}" for name, file in zip(names, input.baselines, strict=True)]


def label_file(wildcards):
    """The labels that a person made, where the configuration names them."""
    return [RANKING.label.file] if RANKING.label.source == "file" else []


def labels_of_given(wildcards):
    """The labels, where clusters are given: they say of labelled patches whether people live there."""
    return [] if RANKING.cluster.given == "none" else rules.ranking_label.output.labels


def given_file(wildcards):
    """The table of given clusters, where there is one."""
    return RANKING.cluster.file or []


def label_judge(part):
    """What the replies of the judge that labels depend on (`asked`), or its limits; nothing where no judge labels."""
    return literal(getattr(RANKING.judges[RANKING.label.judge], part)) if RANKING.label.source == "judge" else "{}"


def grouped_features(wildcards):
    """The features that clusters are made of: the backbone's, or those that DeepCluster refined."""
    if RANKING.cluster.method == "deepcluster":
        return rules.ranking_refine.output.features
    return expand(rules.ranking_embed.output.features, granule=FIT)


def interviewed(wildcards):
    """What a round of a judge that the workflow starts waits for, besides its pictures.

    The interview is `ancient`: when it is held anew, for a new round or prompt, finished rounds have no reason to run.
    What does change a round reaches it through its requests.
    """
    if RANKING.judges[wildcards.judge].command is None:
        return []
    return [
        *expand(rules.ranking_build_requests.output.requests, judge=wildcards.judge, prompt=wildcards.prompt),
        *map(ancient, expand(rules.ranking_collect_replies.output.interview, judge=wildcards.judge)),
    ]


def pretrained(wildcards):
    """The weights that the backbone taught itself, where the configuration asks for them."""
    return rules.ranking_pretrain.output.weights if RANKING.adapt.weights == SELF_SUPERVISED else []


def annotation_file(wildcards):
    """The annotator's file, or a collection; of a collection's lines only the annotator's own counts, a param."""
    order = PEOPLE[wildcards.annotator]
    return order.file if order.line is None else ancient(order.file)


def annotator(wildcards):
    """Whose line of a collection to read; none where the file is one person's."""
    return [] if PEOPLE[wildcards.annotator].line is None else [wildcards.annotator]


def annotators(wildcards):
    """The names of a collection's people, where they have names."""
    names = RANKING.people.annotators
    return [names] if names and PEOPLE[wildcards.annotator].line else []


def polygon_files(wildcards):
    """The file of polygons, and what lies beside a shapefile."""
    return list(map(str, CONFIG.districts[wildcards.districts].files()))


def population_file(wildcards):
    """The population raster, where land is weighted by people."""
    population = CONFIG.districts[wildcards.districts].population
    return [] if population is None else population.path


def dates(pattern, side):
    """A file of the earlier (0) or later (1) row of each place that a change compares, as an input function."""
    return lambda wildcards: expand(pattern, granule=[rows[side] for rows in DATES[wildcards.change]])


def by_judge(value):
    """What a function says of a judge, for each."""
    return by("judge", {name: value(judge) for name, judge in RANKING.judges.items()})
