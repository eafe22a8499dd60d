"""What a training has to reach: bounds of every method name terms that its loss has, are the least
that a network without its mechanism can come to, and tell trained from blind networks.
"""

from dataclasses import replace
from itertools import permutations
from math import factorial

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from tests.places import SHARED
from tests.tiny_dataset import tiny_dataset
from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import open_dataset
from wtal_core.losses.co_activity import MARGIN, co_activity
from wtal_core.losses.video_labels import LABEL_LOSSES
from wtal_core.models import (
    a2clpt,
    asmloc,
    backtal,
    basnet,
    bm,
    c3net,
    cola,
    cw_plugin,
    emmil,
    facnet,
    gaufuse,
    hamnet,
    method,
    method_names,
    rskp,
    sfnet,
    stpn,
    ten,
    um,
    wtalc,
)
from wtal_core.models.contract import MethodConfig
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.objective import (
    LEARNT,
    Bound,
    Supervision,
    at_end,
    binary_entropy,
    entropy,
    learnt_labels,
    learnt_labels_binary,
    one_prediction,
    only_background,
    recalled,
    with_background,
)
from wtal_core.models.shared.schedule import Schedule
from wtal_core.models.shared.two_passes import blind_passes, learnt_passes
from wtal_core.packed import Packed
from wtal_core.runs.behaviour.micro_data import micro_dataset
from wtal_core.runs.inputs import inputs_of, resident, supervision
from wtal_core.runs.train import Trainer

WIDTHS = ("width", "hidden", "embedding", "filter_width", "attention_width", "emb_hidden", "heads")
LABELS = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 1, 1]], dtype=np.float64)
PROFILES = [(name, profile) for name in method_names() for profile in method(name).profiles]
ABLATED = {
    "backtal, baseline": backtal.baseline(backtal.QUICK),
    "backtal, Eq. 8": replace(backtal.QUICK, sep_form="eq8", hard="global_max"),
    "facnet, CW": facnet.ablate(facnet.QUICK, "CW", hybrid=False, background=True),
    "facnet, CA": facnet.ablate(facnet.QUICK, "CA", hybrid=False, background=False),
    "facnet, MIL": facnet.ablate(facnet.QUICK, "MIL", hybrid=True, background=True),
    "facnet, CA MIL": facnet.ablate(facnet.QUICK, "CA MIL", hybrid=True, background=True),
    "ten, baseline": ten.baseline(ten.QUICK),
    "ten, no background loss": replace(ten.QUICK, lambda_bg=0.0),
    "ten, gradient reversal": replace(ten.QUICK, background="grl"),
    "ten, labels as they are": replace(ten.QUICK, label_norm=False, reading="B"),
    "rskp, no background": replace(rskp.QUICK, lambda_back=0.0),
    "c3net, no counts": replace(c3net.QUICK, inputs=Inputs()),
    "sfnet, no clicks": replace(sfnet.QUICK, inputs=Inputs(), labels="video"),
    "hamnet, semi-soft": replace(hamnet.QUICK, lambda_soft=0.0),
    "hamnet, base alone": replace(hamnet.QUICK, lambda_soft=0.0, lambda_semi=0.0),
    "bm, by length": replace(bm.QUICK, pool="one_over_T"),
    "asmloc, no background": replace(asmloc.QUICK, lambda_bg=0.0, lambda_abg=0.0),
    "wtalc, MILL": replace(wtalc.QUICK, balance=1.0),
    "wtalc, CASL": replace(wtalc.QUICK, balance=0.0),
    "emmil, ends without labels": replace(emmil.QUICK, video_epochs=30),
    "cw_plugin, around rskp": cw_plugin.wrap("rskp", rskp.QUICK),
    "gaufuse, around facnet": gaufuse.wrap("facnet", facnet.QUICK),
}


def narrow(config: MethodConfig) -> MethodConfig:
    """The same with few channels, which no bound depends on."""
    sizes = {name: 8 for name in WIDTHS if isinstance(getattr(config, name, None), int)}
    if "heads" in sizes:
        sizes["heads"] = 2
    if isinstance(base := getattr(config, "base", None), MethodConfig):
        return replace(config, base=narrow(base))
    return replace(config, **sizes)


def logged(name: str, config: MethodConfig) -> set[str]:
    """The terms that a fresh network's first training step writes down."""
    dataset = micro_dataset()
    trainer = Trainer(name, narrow(config), dataset, 0)
    return set(trainer.step(list(range(len(dataset.train)))))


def told(
    labels: np.ndarray, lengths: int | list[int] = 60, clicks: int | list[int] = 3
) -> Supervision:
    """Videos with these labels, and with as many snippets and clicked ones, or with these."""
    videos = (len(labels),)
    return Supervision(labels, np.broadcast_to(lengths, videos), np.broadcast_to(clicks, videos))


def labels_of(dataset: Dataset) -> np.ndarray:
    rows = [[float(c in video.labels) for c in dataset.classes] for video in dataset.train]
    return np.array(rows)


def check_bounds(name: str, config: MethodConfig, dataset: Dataset) -> None:
    """All limits are numbers that a sum of logged terms can lie below."""
    bounds = method(name).objective(supervision(dataset, config, 0), 2, config)
    terms = logged(name, config)
    assert bounds
    for bound in bounds:
        assert np.isfinite(bound.limit) and bound.limit > 0
        assert bound.terms and set(bound.terms) <= terms
        assert len(bound.weights) in (0, len(bound.terms))
        assert all(np.isfinite(weight) and weight >= 0 for weight in bound.weights)
        assert bound.without and bound.without[0].islower() and not bound.without.endswith(".")


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_bounds_are_of_terms_that_the_loss_has(name, profile):
    check_bounds(name, method(name).profiles[profile], micro_dataset())


@pytest.mark.parametrize("row", ABLATED)
def test_an_ablated_row_is_judged_by_what_it_has(row):
    name = row.split(",")[0]
    config = ABLATED[row]
    check_bounds(name, config, micro_dataset())


def terms_of(row: str) -> list[tuple[str, ...]]:
    bounds = method(row.split(",")[0]).objective(told(LABELS), 2, ABLATED[row])
    return [bound.terms for bound in bounds]


def test_switched_off_terms_have_no_bound():
    assert terms_of("backtal, baseline") == [("base", "supp")] * 2
    assert terms_of("facnet, CW") == [("cw",)]
    assert terms_of("facnet, CA MIL") == [("ca",), ("ca", "mil")]
    assert terms_of("ten, no background loss") == [("fg",)]
    assert terms_of("ten, gradient reversal") == [("fg",)]
    assert terms_of("rskp, no background") == [("fore",)]
    assert terms_of("c3net, no counts") == [("cls",)]
    assert terms_of("sfnet, no clicks") == [("video",)]
    assert terms_of("hamnet, semi-soft") == [("base", "semi")] * 2
    assert terms_of("hamnet, base alone") == [("base", "semi")]
    assert terms_of("bm, by length") == [("foreground",), ("cluster",)]
    assert terms_of("asmloc, no background") == [("fg", "bg", "abg")]
    assert terms_of("wtalc, MILL") == [("mill",)]
    assert terms_of("wtalc, CASL") == [("casl",)]
    assert terms_of("emmil, ends without labels") == [("key",)]


def test_plug_ins_have_the_bounds_of_their_host():
    host = rskp.METHOD.objective(told(LABELS), 2, rskp.QUICK)
    plug_in = cw_plugin.METHOD.objective(told(LABELS), 2, ABLATED["cw_plugin, around rskp"])
    assert plug_in == (*host, Bound(("cw",), learnt_labels(LABELS), plug_in[-1].without))
    per_stream = cw_plugin.METHOD.objective(told(LABELS), 2, cw_plugin.QUICK)[-1]
    assert per_stream.limit == pytest.approx(2 * learnt_labels(LABELS))
    assert gaufuse.METHOD.objective(told(LABELS), 2, gaufuse.QUICK) == rskp.METHOD.objective(
        told(LABELS), 2, gaufuse.QUICK.base
    )


# -- the least that one prediction comes to, by the losses themselves


def least_found(loss, rows: int, columns: int) -> float:
    """The least of a loss of logits (rows, columns), by a quasi-Newton method."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, columns, generator=draw, dtype=torch.float64)
    logits.requires_grad_(True)
    search = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def value_and_slope():
        search.zero_grad()
        value = loss(logits)
        value.backward()
        return value

    search.step(value_and_slope)
    return float(loss(logits).detach())


LEAST = {"ce": entropy, "bce_on_softmax": binary_entropy}


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.1), (0.3, 2.0)])
@pytest.mark.parametrize("cls", LABEL_LOSSES)
def test_one_prediction_is_the_best_compromise(cls, weights):
    targets = (with_background(LABELS, 1.0), only_background(LABELS))

    def loss(logits):
        rows = [
            weight * LABEL_LOSSES[cls](logits, torch.as_tensor(target))
            for weight, target in zip(weights, targets, strict=True)
        ]
        return sum(rows).mean()

    limit = one_prediction(*targets, weights=weights, least=LEAST[cls])
    found = least_found(loss, *targets[0].shape)
    assert found == pytest.approx(limit, abs=1e-4)
    assert found > limit - 1e-7


@pytest.mark.parametrize("cls", LABEL_LOSSES)
def test_the_bounds_of_both_passes_are_the_best_of_their_losses(cls):
    labels = torch.as_tensor(LABELS)

    def loss(logits):
        base = LABEL_LOSSES[cls](logits, pad(labels, (0, 1), value=1.0))
        supp = LABEL_LOSSES[cls](logits, pad(labels, (0, 1)))
        return (base + supp).mean()

    def constant(logits):
        return loss(logits.expand(len(labels), -1))

    blind = least_found(loss, *with_background(LABELS, 0.0).shape)
    same = least_found(constant, 1, LABELS.shape[1] + 1)
    assert blind_passes(LABELS, cls).limit == pytest.approx(blind, abs=1e-4)
    learnt = same + LEARNT * (blind - same)
    assert learnt_passes(LABELS, cls).limit == pytest.approx(learnt, abs=1e-4)


@pytest.mark.parametrize("cls", LABEL_LOSSES)
def test_learnt_labels_lie_between_a_constant_and_each_video_s_best(cls):
    labels = torch.as_tensor(LABELS)
    each = least_found(lambda s: LABEL_LOSSES[cls](s, labels).mean(), *LABELS.shape)
    same = least_found(
        lambda s: LABEL_LOSSES[cls](s.expand(len(labels), -1), labels).mean(), 1, LABELS.shape[1]
    )
    assert each < same
    learnt = learnt_labels(LABELS, least=LEAST[cls])
    assert learnt == pytest.approx(same + LEARNT * (each - same), abs=1e-4)


def test_the_binary_one_begins_at_the_frequency_of_each_class():
    labels = torch.as_tensor(LABELS)

    def constant(logits):
        rows = logits.expand(len(labels), -1)
        return torch.nn.functional.binary_cross_entropy_with_logits(rows, labels)

    same = least_found(constant, 1, LABELS.shape[1])
    assert learnt_labels_binary(LABELS) == pytest.approx((1 - LEARNT) * same, abs=1e-4)


def test_a_video_counts_as_often_as_it_is_drawn():
    shares = np.array([0.5, 0.2, 0.1, 0.1, 0.1])
    of_each = [one_prediction(LABELS[i : i + 1]) for i in range(len(LABELS))]
    assert one_prediction(LABELS, shares=shares) == pytest.approx(shares @ of_each)
    doubled = np.concatenate([LABELS, LABELS[:1]])
    twice = np.array([2, 1, 1, 1, 1]) / 6
    assert learnt_labels(LABELS, shares=twice) == pytest.approx(learnt_labels(doubled))


def test_the_numbers_of_the_review():
    simulated = labels_of(open_dataset("simulated"))
    assert blind_passes(simulated, "ce").limit == pytest.approx(1.218, abs=0.005)


@pytest.mark.skipif(
    not (SHARED / "data" / "hapt").is_dir(), reason="the real data set hapt is not here"
)
def test_the_review_s_number_of_hapt():
    hapt = labels_of(open_dataset("hapt", SHARED / "data"))
    assert blind_passes(hapt, "ce").limit == pytest.approx(2.630, abs=0.01)


# -- what losses come to where nothing is told


TEN_ROWS = {
    "A, plain": ten.baseline(ten.FULL),
    "A, BGES": replace(ten.FULL, tcb=False),
    "A, BGES, labels as they are": replace(ten.FULL, tcb=False, label_norm=False),
    "A, BGES, heavy background": replace(ten.FULL, tcb=False, lambda_bg=2.0),
    "A, both by length": replace(ten.FULL, tcb=False, foreground_norm="length"),
    "A, plain, a larger sum": replace(ten.baseline(ten.FULL), foreground_extra=1.0),
    "B, plain": replace(ten.baseline(ten.FULL), reading="B"),
    "B, plain, labels as they are": replace(
        ten.baseline(ten.FULL), reading="B", label_norm=False, lambda_bg=0.5
    ),
    "B, BGES": replace(ten.FULL, reading="B", tcb=False),
}


def ten_losses(logits, attention: float, config: ten.Config, snippets: int = 1) -> torch.Tensor:
    """Foreground and weighted background loss of videos whose snippets are all the same."""
    videos = len(LABELS)
    features = torch.zeros(1, videos * snippets, 1, dtype=torch.float64)
    batch = Packed(features, (snippets,) * videos, torch.as_tensor(LABELS))
    cas = logits.repeat_interleave(snippets, 0)
    same = torch.full((videos * snippets,), attention, dtype=torch.float64)
    branch = ten.Branch(cas, same, features, (cas, same), cas)
    foreground = ten.foreground_loss(branch, batch, config)
    return foreground + config.lambda_bg * ten.background_loss(branch, batch, config)


@pytest.mark.parametrize("row", TEN_ROWS)
def test_no_constant_attention_of_ten_comes_below_its_bound(row):
    """The least of each video, over attentions and logits; as near to it as one comes."""
    config = TEN_ROWS[row]
    draw = torch.Generator().manual_seed(0)
    tried = []
    for attention in (1e-6, 0.5, 1 - 1e-6):
        logits = torch.randn(len(LABELS), 4, generator=draw, dtype=torch.float64)
        logits.requires_grad_(True)
        search = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")

        def value_and_slope(logits=logits, search=search, attention=attention):
            search.zero_grad()
            value = ten_losses(logits, attention, config, 200).sum()
            value.backward()
            return value

        search.step(value_and_slope)
        tried.append(ten_losses(logits.detach(), attention, config, 200))

        # where its scale is free, one half ties labels and background, and the other one decides
        present = torch.as_tensor(with_background(LABELS, 0.0)) > 0
        for lead in (-50.0, 50.0):
            far = torch.where(present, 1e8 + lead, 0.0).double()
            far[:, -1] = 1e8
            tried.append(ten_losses(far, attention, config, 200))
    least = float(torch.stack(tried).amin(0).mean())
    limit = ten.blind_losses(LABELS, config)
    assert limit - 1e-6 < least < limit + 2e-3


def test_features_that_are_alike_cost_the_margin():
    draw = torch.Generator().manual_seed(0)
    lengths = (5, 9, 4, 7)
    labels = torch.tensor([[1, 0], [1, 1], [0, 1], [0, 1]]).double()
    features = torch.ones(sum(lengths), 3, dtype=torch.float64)
    batch = Packed(features[None], lengths, labels)
    scores = torch.randn(sum(lengths), 2, generator=draw, dtype=torch.float64)
    assert float(co_activity(features, scores, batch, 2).mean()) == pytest.approx(MARGIN)


def test_alike_embeddings_make_a_contrast_of_all_negatives():
    x = torch.ones(1, 12, 4, dtype=torch.float64)
    place = torch.arange(12)[None]
    value = cola.contrast(x, place == 0, place < 3, place >= 7, 0.07)
    assert float(value) == pytest.approx(np.log1p(5))
    config = replace(cola.OFFICIAL, samples=25, easy=5)
    bounds = {bound.terms: bound.limit for bound in cola.METHOD.objective(told(LABELS), 2, config)}
    assert bounds[("hard_action",)] == bounds[("hard_background",)] == pytest.approx(np.log1p(5))


def test_angles_to_centres_that_tell_nothing_cost_the_margins():
    config = a2clpt.QUICK
    dataset = micro_dataset()
    trainer = Trainer("a2clpt", replace(narrow(config), centre_delay=0, dropout=0.0), dataset, 0)
    network = trainer.progress.network
    network.centres.fill_(1.0)
    with torch.no_grad():
        network.embed_2.weight.zero_()
        network.embed_2.bias.fill_(1.0)
    batch = list(range(len(dataset.train)))
    losses = {name: float(v) / len(batch) for name, v in trainer.step(batch).items()}
    videos = supervision(dataset, config, 0)
    bounds = {b.terms: b.limit for b in a2clpt.METHOD.objective(videos, 2, config)}
    assert losses["negative"] == pytest.approx(bounds[("negative",)], rel=1e-4)
    assert losses["centre"] == pytest.approx(bounds[("centre",)], rel=1e-4)


def test_clusters_of_halves_of_one_mean():
    """Over the share λ of the one half and how far the mean is on the foreground's side, z."""
    z = torch.linspace(-60, 60, 1201, dtype=torch.float64)[:, None]
    share = torch.linspace(0, 1, 201, dtype=torch.float64)
    softplus = torch.nn.functional.softplus
    by_length = (softplus(-share * z) + softplus((1 - share) * z)).min()
    by_weight = (softplus(-z) + softplus(z)).min()
    for pool, least in (("one_over_T", by_length), ("sum", by_weight)):
        bounds = bm.METHOD.objective(told(LABELS), 3, replace(bm.QUICK, pool=pool))
        (limit,) = [bound.limit for bound in bounds if bound.terms == ("cluster",)]
        assert limit == pytest.approx(3 * float(least), abs=1e-6)


def test_one_actionness_for_all_snippets():
    """And one prediction for all clicked and mined ones."""
    actionness = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    still = -(1 + 1e-3 - actionness.sigmoid()).log()
    least = float((torch.nn.functional.softplus(-actionness) + still).min())
    bounds = {b.terms: b for b in sfnet.METHOD.objective(told(LABELS), 1, sfnet.QUICK)}
    assert bounds[("act",)].limit == pytest.approx(2 * least, abs=1e-6)

    labels = torch.as_tensor(LABELS)
    classes = pad(labels / labels.sum(1, keepdim=True), (0, 1))

    def loss(logits):
        log = logits.log_softmax(-1)
        return -(classes @ log[0]).mean() - log[0, -1] / 4

    same = least_found(loss, 1, 4)
    assert bounds[("frame", "mined")].limit == pytest.approx(2 * same, abs=1e-4)
    assert bounds[("frame", "mined")].weights == (1.0, 1 / 4)


def test_equal_lengths_cost_the_margin():
    lengths = np.linspace(0, 300, 3001)
    for margin in (10.0, 100.0):
        least = ((np.maximum(margin - lengths, 0) + lengths) ** 2).min()
        bounds = um.METHOD.objective(told(LABELS), 2, replace(um.QUICK, margin=margin))
        (limit,) = [bound.limit for bound in bounds if bound.terms == ("um",)]
        assert limit == pytest.approx(least)


def test_equal_scores_are_not_separated():
    features = torch.zeros(1, 6, 1, dtype=torch.float64)
    batch = Packed(features, (6,), torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    background = torch.tensor([0, 0, 0, 0, 1, 1]) > 0
    logits = torch.full((6, 3), 0.7, dtype=torch.float64)
    equal = float(backtal.separation_loss(logits, logits[:1], background, batch))
    bounds = {b.terms: b.limit for b in backtal.METHOD.objective(told(LABELS), 2, backtal.QUICK)}
    assert bounds[("sep",)] == pytest.approx(equal)
    twice = backtal.METHOD.objective(told(LABELS), 2, ABLATED["backtal, Eq. 8"])
    assert [b.limit for b in twice if b.terms == ("sep",)] == [pytest.approx(2 * equal)]


# (snippets, background clicks) of a video whose top 1/8 of the snippets are one, two or five
SIZES = [(8, 1), (8, 2), (8, 4), (16, 1), (16, 2), (40, 1), (40, 3)]
HARDEST = ("per_row", "global_max")
ONE_LABEL = np.array([[1.0, 0.0]])


def affinity_bounds(config: backtal.Config, videos: Supervision) -> list[float]:
    bounds = backtal.METHOD.objective(videos, 2, config)
    return [bound.limit for bound in bounds if bound.terms == ("aff",)]


def affinity_of(embedding, foreground: int, background: int, hard: str) -> float:
    """The loss of a video whose first snippets are foreground, and whose next ones background."""
    snippets = len(embedding)
    place = torch.arange(snippets)
    features = torch.zeros(1, snippets, 1, dtype=torch.float64)
    batch = Packed(features, (snippets,), torch.as_tensor(ONE_LABEL))
    is_foreground = (place < foreground).double()
    is_background = (place >= foreground) & (place < foreground + background)
    same, different = backtal.QUICK.tau_same, backtal.QUICK.tau_diff
    value = backtal.affinity_loss(
        embedding, is_foreground, is_background, batch, same, different, hard
    )
    return float(value)


def of_one_cosine(snippets: int, cosine: float) -> torch.Tensor:
    """Embeddings, all pairs of which have this cosine."""
    gram = torch.full((snippets, snippets), cosine, dtype=torch.float64)
    gram.fill_diagonal_(1.0)
    return torch.linalg.cholesky(gram)


@pytest.mark.parametrize("hard", HARDEST)
@pytest.mark.parametrize(("snippets", "clicks"), SIZES)
def test_the_least_affinity_loss_of_one_cosine_is_the_bound(snippets, clicks, hard):
    """Over a grid of cosines that holds both margins; a least of 0 has no bound."""
    foreground = snippets // 8
    losses = [
        affinity_of(of_one_cosine(snippets, float(cosine)), foreground, clicks, hard)
        for cosine in np.linspace(0, 0.95, 20)
    ]
    config = replace(backtal.QUICK, hard=hard)
    limits = affinity_bounds(config, told(ONE_LABEL, snippets, clicks))
    assert limits == ([] if min(losses) < 1e-9 else [pytest.approx(min(losses))])


@pytest.mark.parametrize("hard", HARDEST)
@pytest.mark.parametrize(("foreground", "background"), [(5, 1), (5, 3), (2, 2)])
def test_embeddings_drawn_without_a_look_at_the_kind_cost_more_than_the_bound(
    foreground, background, hard
):
    """On average, whatever is common to them."""
    draw = torch.Generator().manual_seed(0)
    config = replace(backtal.QUICK, hard=hard)
    (limit,) = affinity_bounds(config, told(ONE_LABEL, 8 * foreground, background))
    for common in (0.0, 0.3, 0.6, 1.0, 2.0):
        drawn = torch.randn(30, 8 * foreground, 16, generator=draw, dtype=torch.float64)
        drawn[..., 0] += 4 * common
        embeddings = torch.nn.functional.normalize(drawn, dim=-1)
        losses = [affinity_of(e, foreground, background, hard) for e in embeddings]
        assert np.mean(losses) > limit


def test_an_embedding_that_tells_both_kinds_apart_meets_the_bound():
    embedding = torch.eye(2, dtype=torch.float64)[(torch.arange(40) >= 5).long()]
    for hard in HARDEST:
        assert affinity_of(embedding, 5, 3, hard) == 0


def test_affinity_is_the_mean_over_the_clicked_videos_of_each_batch():
    """By the loss of every way to draw the batches, each video at its own least."""
    labels = np.tile(ONE_LABEL, (5, 1))
    videos = told(labels, [40, 16, 8, 40, 40], [3, 1, 2, 0, 0])
    config = replace(backtal.QUICK, schedule=replace(backtal.QUICK.schedule, batch_size=2))
    values = torch.tensor([0.8, 0.4, 0.4, 0.0, 0.0], dtype=torch.float64)
    clicked = torch.as_tensor(videos.clicks.copy()) > 0
    sums = [
        float(backtal.mean_over_videos(values[batch], clicked[batch]).sum())
        for order in map(list, permutations(range(5)))
        for batch in (order[:2], order[2:4], order[4:])
    ]
    expected = sum(sums) / (5 * factorial(5))
    assert affinity_bounds(config, videos) == [pytest.approx(expected)]


def test_without_clicked_background_there_is_nothing_to_tell_apart():
    videos = told(LABELS, clicks=0)
    bounds = backtal.METHOD.objective(videos, 2, backtal.QUICK)
    assert [bound.terms for bound in bounds] == [("base", "supp")] * 2
    unlabelled = told(np.zeros((3, 2)))
    assert affinity_bounds(backtal.QUICK, unlabelled) == []


def test_of_mined_background_the_least_is_expected():
    mined = replace(backtal.QUICK, mined_ratio=7.0)
    for clicks in (0, 3):
        assert affinity_bounds(mined, told(LABELS, clicks=clicks)) == [pytest.approx(0.4)]


def test_supervision_counts_snippets_with_background_clicks_as_training_sees_them():
    dataset = micro_dataset()
    for kind in ("none", "action", "background", "both"):
        config = replace(backtal.QUICK, inputs=Inputs(clicks=kind))
        videos = resident(dataset, "train", "cpu", inputs=config.inputs)
        seen = videos.batch(range(len(videos)))
        background = backtal.clicked_background(seen).split(seen.lengths)
        counted = supervision(dataset, config, 0)
        assert counted.clicks.tolist() == [int(of_video.sum()) for of_video in background]
        assert counted.lengths.tolist() == list(seen.lengths)
        assert np.array_equal(counted.labels, seen.labels.numpy())
        assert (counted.clicks.sum() > 0) == (kind in ("background", "both"))


# -- networks that are trained


def trained(name: str, config: MethodConfig, blind_layers: tuple[str, ...]):
    """The history of a training, and the bounds; the named layers are zero and stay so."""
    dataset = tiny_dataset()
    trainer = Trainer(name, config, dataset, 0)
    for layer in blind_layers:
        for parameter in getattr(trainer.progress.network, layer).parameters():
            parameter.requires_grad_(False).zero_()
    assert inputs_of(config).clicks == "none"
    history = [trainer.epoch() for _ in range(config.schedule.epochs)]
    return history, method(name).objective(supervision(dataset, config, 0), 2, config)


SCHEDULE = Schedule(epochs=250, batch_size=9, learning_rate=1e-2, weight_decay=0.0, evaluations=0)
TRAINED = {
    "backtal": (
        replace(backtal.BASE, inputs=Inputs(), width=12, filter_width=8, dropout=0.0),
        ("filter_2",),
    ),
    "hamnet": (
        replace(hamnet.QUICK, width=12, attention_width=8, dropout=0.0),
        ("attend_3",),
    ),
}


@pytest.mark.parametrize("name", TRAINED)
def test_only_an_attention_that_learns_comes_below_the_blind_bound(name, one_thread):
    config, layers = TRAINED[name]
    config = replace(config, schedule=SCHEDULE)
    history, (learnt, blind) = trained(name, config, layers)
    assert blind.limit < learnt.limit
    assert learnt.is_met(history)
    assert not blind.is_met(history)
    least = min(at_end([entry], blind.terms, blind.weights) for entry in history)
    assert blind.limit < least < 1.2 * blind.limit

    free, _ = trained(name, config, ())
    assert learnt.is_met(free) and blind.is_met(free)
    untrained = free[:1]
    assert not learnt.is_met(untrained)


def test_basnet_s_binary_form_tells_them_apart(one_thread):
    config = replace(
        basnet.QUICK, width=12, filter_width=8, dropout=0.0, conv_bias=False, schedule=SCHEDULE
    )
    history, (learnt, blind) = trained("basnet", config, ("filter_2",))
    assert learnt.is_met(history) and not blind.is_met(history)
    free, _ = trained("basnet", config, ())
    assert blind.is_met(free)


def test_stpn_learns_its_labels(one_thread):
    schedule = replace(SCHEDULE, learning_rate=5e-2)
    config = replace(stpn.QUICK, attention_hidden=8, beta=0.0, schedule=schedule)
    history, (learnt,) = trained("stpn", config, ())
    assert learnt.is_met(history) and not learnt.is_met(history[:1])


# -- what is looked at


def test_recalled_counts_labels_among_as_many_highest_scores():
    labels = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    scores = np.array([[0.9, 0.1, 0.5, 0.2], [0.1, 0.2, 0.3, 0.2], [9.0, 0.0, 0.0, 0.0]])
    assert recalled(scores, labels.astype(float)) == pytest.approx(2 / 3)


def test_of_equal_scores_the_first_class_counts_as_higher():
    scores = np.array([[0.5, 0.5, 0.5]])
    assert recalled(scores, np.array([[1.0, 0.0, 0.0]])) == 1.0
    assert recalled(scores, np.array([[0.0, 1.0, 0.0]])) == 0.0
    assert recalled(scores, np.array([[0.0, 1.0, 1.0]])) == 0.5


def test_nothing_is_recalled_of_no_labels():
    assert recalled(np.zeros((2, 3)), np.zeros((2, 3))) == 0.0
    assert recalled(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


def test_the_end_is_the_last_tenth_and_at_least_one_epoch():
    history = [{"a": float(epoch), "b": 1.0} for epoch in range(40)]
    assert at_end(history, ("a",)) == pytest.approx((36 + 37 + 38 + 39) / 4)
    assert at_end(history, ("a", "b")) == pytest.approx(37.5 + 1)
    assert at_end(history, ("a", "b"), (0.1, 2.0)) == pytest.approx(3.75 + 2)
    assert at_end(history[:3], ("a",)) == 2.0
    assert at_end(history[:1], ("a", "b")) == 1.0


def test_a_term_that_was_not_taken_counts_as_nothing():
    history = [{"a": 4.0}, {"b": 1.0}] * 10
    assert at_end(history, ("a",)) == 2.0
    assert at_end(history, ("a", "b")) == 2.5
    assert at_end(history, ("c",)) == 0.0


def test_a_bound_is_met_below_its_limit_only():
    history = [{"a": 1.0, "b": 2.0}]
    assert Bound(("a", "b"), 3.5, "more").is_met(history)
    assert not Bound(("a", "b"), 3.0, "more").is_met(history)
    assert Bound(("a", "b"), 3.0, "more", (1.0, 0.5)).is_met(history)
    assert Bound(("a", "b"), 3.0, "more", (1.0, 0.5)).reached(history) == 2.0


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(batch_size=4),
        Schedule(batch_size=4, pairs=1),
        Schedule(batch_size=6, pairs=2),
        Schedule(batch_size=6, pairs=3),  # more pairs than classes with two videos
        Schedule(batch_size=6, pairs=3, repeat=True),
    ],
)
def test_shares_are_how_often_videos_are_drawn(schedule):
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]], dtype=float)
    draw = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(3000):
        drawn += [
            video for batch in schedule.batches(torch.as_tensor(labels), draw) for video in batch
        ]
    counted = np.bincount(drawn, minlength=len(labels)) / len(drawn)
    assert schedule.shares(labels) == pytest.approx(counted, abs=0.01)
    assert schedule.shares(labels).sum() == pytest.approx(1)
