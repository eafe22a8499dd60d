"""Which configs of each method the micro-runs train: small widths, few epochs, every switch once.

A variant changes several switches that do not hide each other. A method that is not listed here
trains its profile "quick" for a few epochs.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wtal_core.models import (
    a2clpt,
    asmloc,
    backtal,
    basnet,
    bm,
    c3net,
    co2net,
    cola,
    cw_plugin,
    delu,
    emmil,
    facnet,
    gaufuse,
    hamnet,
    method,
    rskp,
    sfnet,
    stpn,
    ten,
    topk_mil,
    um,
    wtalc,
)
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs.behaviour.micro_data import LEVELS, UNIT

EPOCHS = 6
SHORT = {"epochs": EPOCHS, "batch_size": 3, "learning_rate": 0.02, "evaluations": 2}


def variants(method_name: str) -> dict[str, Any]:
    """Configs by a short name, "default" first: the Config's default values at a small width."""
    if method_name in VARIANTS:
        return VARIANTS[method_name]()
    quick = method(method_name).profiles["quick"]
    return {"quick": replace(quick, schedule=shortened(quick.schedule))}


def shortened(schedule: Schedule, **changes: Any) -> Schedule:
    """A few epochs at a high rate; reduction, decay, order and betas stay."""
    return replace(schedule, **{**SHORT, **changes})


def small(config: Any, **changes: Any) -> Any:
    """A config that trains a few epochs."""
    return replace(config, schedule=shortened(config.schedule), **changes)


def of_facnet() -> dict[str, facnet.Config]:
    default = small(facnet.Config(), embedding=8)
    return {
        "default": default,
        "no background, one head, random foreground": replace(
            default,
            background=False,
            taus=(1.0,),
            foreground_init="xavier",
            lambda_ca=0.0,
            lambda_mil=0.0,
        ),
        "kernel 3, upsampled, true tIoU": replace(
            default,
            kernel=3,
            upsample=16,
            overlap="iou",
            trailing_scale=1.0,
            class_source="mil",
            dropout=0.25,
        ),
        "two branches, mean, independent batches": replace(
            default,
            lambda_cw=0.0,
            lambda_ca=1.0,
            class_source="cw",
            schedule=replace(
                default.schedule,
                reduction="mean",
                order="independent",
                labels="segments",
                steps=((0.5, 0.25),),
            ),
        ),
    }


def of_topk_mil() -> dict[str, topk_mil.Config]:
    default = small(topk_mil.Config(), hidden=8)
    return {
        "default": default,
        "no dropout": replace(default, dropout=0.0, fraction=3, class_ratio=0.9, shortest=3),
        "sum, other constants": replace(
            default,
            class_ratio=0.5,
            margin=0.5,
            overlap=0.3,
            schedule=replace(default.schedule, reduction="sum"),
        ),
    }


def of_ten() -> dict[str, ten.Config]:
    default = small(ten.Config(), embedding=8, samples=12, interval=3)
    plain = replace(default, samples=None, background="plain")
    return {
        "default": default,
        "reading B": replace(default, reading="B", samples=None),
        "reading A, plain background": plain,
        "reading B, plain background": replace(plain, reading="B", foreground_norm="length"),
        "reversed on the path": replace(plain, background="grl"),
        "reversed in the head": replace(plain, background="grl", grl_scope="head", grl_factor=0.5),
        "reversed in the features": replace(
            plain, background="grl", grl_scope="features", reading="B"
        ),
        "every snippet, logarithmic barrier": replace(
            default, lambda_bvl=0.2, barrier="log", foreground_extra=1.0, reading="B"
        ),
        "video, mean barrier": replace(
            plain,
            lambda_bvl=0.2,
            bvl_form="video",
            bvl_detach=True,
            barrier="mean",
            label_norm=False,
        ),
        "squares, one smoothed": replace(
            default, att="mse", cas="mse", smooth="tcb_only", sigma=0.5, cas_sum=True
        ),
        "logits, not smoothed": replace(
            plain, att="mae", cas="mae_logits", smooth="none", fuse="sum", kernel=1
        ),
        "squared logits, fixed target": replace(plain, att="none", cas="mse_logits", detach=True),
        "absolute, no attention": replace(plain, att="none", cas="mae", dropout=0.0),
        "one direction": replace(plain, direction="one_other", temperature=2.0),
        "other direction": replace(plain, direction="other_one", cas_sum=True),
        "base branch, other localization": replace(
            plain,
            tcb=False,
            locnorm="none",
            gamma=0.25,
            p_background=False,
            nms_iou="plus_one_seconds",
            nms=0.25,
            upsampling=4,
        ),
    }


def of_backtal() -> dict[str, backtal.Config]:
    default = small(
        backtal.Config(),
        inputs=Inputs(clicks="background"),
        width=6,
        filter_width=6,
        emb_hidden=6,
        emb_dim=4,
        dropout=0.3,
    )
    clicks = replace(backtal.baseline(default), lambda_frame=default.lambda_frame)
    return {
        "default": default,
        "baseline": backtal.baseline(default),
        "equation 15, one length": replace(
            default,
            layout="paper_eq15",
            inputs=Inputs(clicks="background", length=15, annotator="video"),
        ),
        "five neighbours, intervals": replace(
            default,
            window=5,
            emb_hidden=0,
            inputs=Inputs(clicks="background", click_map="interval", annotator=2),
        ),
        "summed before, rounded": replace(
            default,
            window=5,
            mode="presum",
            inputs=Inputs(clicks="background", click_map="round", length=21, align="corners"),
        ),
        "as printed": replace(
            default,
            frame_mean="per_video",
            sep_form="eq8",
            hard="global_max",
            sep_branch="supp",
            fg_branch="base",
            tau_same=0.7,
            tau_diff=0.0,
        ),
        "weight by clicks, binary": replace(
            clicks,
            inputs=default.inputs,
            weight_sup="clicks",
            cls="bce_on_softmax",
            conv_bias=True,
        ),
        "weight by clicks and top": replace(
            clicks, inputs=default.inputs, weight_sup="clicks_and_top", lambda_frame=0.0
        ),
        "action clicks, mined": replace(
            default, inputs=Inputs(clicks="action", length=18, align="left"), mined_ratio=2.0
        ),
        "both clicks, mined at full weight": replace(
            default, inputs=Inputs(clicks="both"), mined_ratio=1.5, mined_weight="one"
        ),
        "as on ActivityNet": replace(
            default,
            top=0.6,
            top_sep=0.2,
            lambda_sep=0.1,
            rule=replace(backtal.ACTIVITYNET12.rule, class_threshold=0.25),
        ),
    }


def of_basnet() -> dict[str, basnet.Config]:
    default = small(basnet.Config(), samples=12, width=6, filter_width=6, dropout=0.3)
    return {
        "default": default,
        "all snippets": replace(default, samples=None),
        "cross entropy, probability": replace(
            default,
            cls="ce",
            conv_bias=False,
            samples=None,
            top=0.5,
            inputs=Inputs(length=14),
            rule=replace(
                default.rule,
                score_class="probability",
                fix_class0=True,
                nms=0.5,
                magnitude=(0.25, 0.5),
            ),
        ),
        "frames": replace(
            default,
            rule=replace(
                default.rule,
                grid="frames",
                drop_frame0_run=False,
                nms_iou="iou",
                outer_scale=2.0,
                shrink=0.1,
            ),
        ),
    }


def of_sfnet() -> dict[str, sfnet.Config]:
    default = small(sfnet.Config(), hidden=8, dropout=0.3, crops=(8, 14), expand_epoch=3)
    return {
        "default": default,
        "video labels, no clicks": replace(
            default, labels="video", inputs=Inputs(), crops=None, act_gate=10.0
        ),
        "padded batches": replace(default, padding="batch", crops=None),
        "hardest, no restart": replace(
            default,
            labels="video",
            act_background="hard_topk",
            restart=False,
            expand_share=0.2,
            expand_radius=2,
            crops=None,
        ),
        "nothing mined, first annotator": replace(
            default,
            mined_ratio=0.0,
            inputs=Inputs(clicks="action", annotator=1, click_map="round"),
            expand_epoch=None,
            class_ratio=4.0,
            act_weight=0.5,
            fraction=4,
        ),
        "mined at full weight": replace(
            default, mined_weight=1.0, mined_ratio=1.5, crops=None, shortest_video=1, shortest=1
        ),
    }


def of_stpn() -> dict[str, stpn.Config]:
    default = small(stpn.Config(), samples=12, attention_hidden=6, embedding=6)
    embedded = stpn.with_embedding(default)
    return {
        "default": default,
        "sum, bias": replace(default, pool="sum", cam_bias=True, samples=None, beta=0.01),
        "with embedding": embedded,
        "three snippets, for the plug-in": replace(
            stpn.for_plug_in(default), embed="conv3x2", dropout=0.25
        ),
        "many thresholds, own stream": replace(
            stpn.many_thresholds(default),
            alpha=1.0,
            rule=replace(default.rule, fix_class0=True, drop_frame0_run=False, outer_weight=0.5),
        ),
    }


def of_bm() -> dict[str, bm.Config]:
    default = small(bm.Config(), samples=12, attention_hidden=6)
    return {
        "default": default,
        "as in DGAM": bm.as_in_dgam(default),
        "as recollected": replace(bm.as_recollected(default), samples=None, sigma=0.5),
        "free guide, bias": replace(
            default, guide_detach=False, cam_bias=True, attention_hidden=None, lambda_guide=1.0
        ),
    }


def of_rskp() -> dict[str, rskp.Config]:
    default = small(
        rskp.Config(),
        embedding=8,
        prototypes=3,
        memory_slots=2,
        warm_up=3,
        spl_weights=((0, 1.0), (3, 0.5)),
        dropout=0.3,
    )
    return {
        "default": default,
        "first slot, read at once": replace(
            default, memory_index="slot0", memory_read="batch", memory_share=0.5, warm_up=1
        ),
        "other constants": replace(
            default,
            prototypes=2,
            em_steps=1,
            walk=0.25,
            sharpness=2.0,
            delta=5.0,
            temperature=1.0,
            attention_fraction=3,
            warm_up=9,
        ),
        "upsampled, fused": replace(
            default,
            upsample=16,
            cas_mix=0.85,
            margin_power=0.9,
            suppression=gaufuse.AT_TEST_TIME,
            delta=10.0,
        ),
    }


def hosts() -> dict[str, Any]:
    """What plug-ins are put around."""
    every: dict[str, Any] = {
        "facnet": of_facnet,
        "topk_mil": of_topk_mil,
        "basnet": of_basnet,
        "backtal": of_backtal,
        "sfnet": of_sfnet,
        "ten": of_ten,
        "um": of_um,
        "wtalc": of_wtalc,
    }
    configs = {name: variants_of()["default"] for name, variants_of in every.items()}
    embedded = small(stpn.with_embedding(stpn.Config()), embedding=8, attention_hidden=6)
    configs["stpn"] = replace(embedded, rule=replace(embedded.rule, fix_class0=True))
    configs["bm"] = small(bm.Config(), samples=12, attention_hidden=6)
    return configs


def of_cw_plugin() -> dict[str, cw_plugin.Config]:
    around = {
        f"around {name}": cw_plugin.wrap(name, config, lambda_cw=1.0)
        for name, config in hosts().items()
    }
    linear = small(stpn.for_plug_in(stpn.Config()), embedding=8)
    default = cw_plugin.wrap("stpn", linear)
    other = replace(
        around["around facnet"], foreground="own", taus=(2.0,), delta=0.5, video_scale=5.0
    )
    return {"default": default, **around, "own vector, one head": other}


def of_gaufuse() -> dict[str, gaufuse.Config]:
    long: dict[str, Any] = {"epochs": 8}
    host = replace(of_rskp()["default"], memory_index="slot0", delta=10.0)
    host = replace(host, schedule=replace(host.schedule, **long))
    late: dict[str, Any] = {
        "refresh_epochs": (3, 5),
        "temperatures": (0.02, 0.002),
        "phases": ((3, 1.0, 0.0), (6, 2.0, -2.0)),
        "weight": 5.0,
        "growth": 1.5,
        "limit": 10.0,
    }
    official = replace(gaufuse.wrap("rskp", host, **gaufuse.LABELLING), **late)
    around = {
        name: replace(config, schedule=replace(config.schedule, **long))
        for name, config in hosts().items()
    }
    wrapped = {
        f"around {name}": replace(gaufuse.wrap(name, config), **late)
        for name, config in around.items()
    }
    return {
        "default": official,
        "as printed": replace(gaufuse.as_printed(official), **{**late, "limit": 2.0}),
        "LinPro alone": gaufuse.ablate(official, True, False, False, False),
        **wrapped,
        "nearest scores, t": replace(
            official,
            label_rule=replace(official.label_rule, rows="mean", infeasible="least_squares"),
            train_fusion=replace(official.train_fusion, distribution="t"),
            label_classes="labels",
            forget=False,
        ),
        "medians": replace(
            official,
            train_fusion=replace(official.train_fusion, distribution="laplace", logit="score"),
            test_fusion=replace(official.test_fusion, distribution="laplace"),
            label_background=False,
            teacher_dropout=False,
        ),
        "middles": replace(
            official,
            train_fusion=replace(official.train_fusion, distribution="uniform", overlap="iou"),
            test_fusion=replace(official.test_fusion, distribution="uniform", overlap="iou"),
        ),
    }


def of_um() -> dict[str, um.Config]:
    default = small(
        um.Config(), samples=12, width=6, dropout=0.3, pick_dropout=0.2, margin=3.0, alpha=0.05
    )
    return {
        "default": default,
        "all snippets": replace(
            default, samples=None, action_fraction=3, background_fraction=2, beta=0.25
        ),
        "other constants": replace(
            default,
            dropout=0.0,
            pick_dropout=0.0,
            rule=replace(
                default.rule,
                at_least_one=False,
                magnitude_range="video",
                shortest=30,
                nms_iou="iou",
            ),
        ),
    }


def of_wtalc() -> dict[str, wtalc.Config]:
    official = wtalc.Config()
    pairs = shortened(official.schedule, batch_size=5, pairs=2)
    default = replace(official, hidden=8, dropout=0.3, crop=14, schedule=pairs)
    return {
        "default": default,
        "one pair of two videos": replace(
            default,
            balance=0.25,
            margin=1.0,
            fraction=3,
            schedule=replace(pairs, pairs=1, repeat=False),
        ),
        "whole videos, read as FAC-Net": replace(default, crop=None, post="facnet"),
    }


def of_hamnet() -> dict[str, hamnet.Config]:
    rule = replace(hamnet.Config().rule, class_threshold=0.1)
    default = small(hamnet.Config(), samples=12, width=6, attention_width=4, dropout=0.3, rule=rule)
    return {
        "default": default,
        "all snippets, hidden by range": replace(
            default, samples=None, hide=0.5, hide_by="range", fraction=4
        ),
        "as on ActivityNet": replace(
            default,
            smoothing=5,
            fraction=20,
            lambda_base=0.125,
            lambda_hard=0.125,
            lambda_soft=1.0,
            lambda_semi=1.0,
            lambda_norm=0.5,
            lambda_guide=0.1,
        ),
        "hidden by the paper, true tIoU": replace(
            default,
            hide_by="one",
            dropout=0.0,
            rule=replace(default.rule, extra=0.0, at_least_one=True, fix_any=True, sigma=0.5),
        ),
    }


def of_co2net() -> dict[str, co2net.Config]:
    official = co2net.Config()
    default = replace(
        official,
        samples=12,
        width=6,
        attention_width=4,
        dropout=0.3,
        schedule=shortened(official.schedule, batch_size=5, pairs=2),
    )
    return {
        "default": default,
        "all snippets, no dropout of logits": replace(
            default, samples=None, logit_dropout=0.0, consensus_dropout=0.2, fraction=4
        ),
        "smoothed, other weights": replace(
            default,
            smoothing=5,
            class_fraction=4,
            lambda_co_activity=0.5,
            lambda_mutual=0.25,
            lambda_norm=0.1,
            lambda_guide=0.2,
            rule=replace(default.rule, fix_any=True, outer=0.5, gamma=0.1, longer_than=2.0),
        ),
    }


def of_delu() -> dict[str, delu.Config]:
    official = delu.Config()
    default = replace(
        official,
        samples=12,
        width=6,
        attention_width=4,
        dropout=0.3,
        schedule=shortened(official.schedule, batch_size=5, pairs=2),
    )
    return {
        "default": default,
        "all snippets, ranks fixed": replace(
            default, samples=None, rank="fixed", amplitude=0.5, evidence_fraction=4
        ),
        "as on ActivityNet": replace(
            default,
            smoothing=5,
            evidence="relu",
            evidence_form="squares",
            lambda_evidence=1.2,
            lambda_uncertain=0.2,
        ),
    }


def of_c3net() -> dict[str, c3net.Config]:
    default = small(c3net.Config(), hidden=8, dropout=0.3, crops=(8, 14), centre_delay=5)
    return {
        "default": default,
        "whole videos, one division, every step": replace(
            default, crops=None, centre_mean="once", centre_delay=0, count_every_second=False
        ),
        "smoothed, as on ActivityNet": replace(
            default, smooth=True, rule=c3net.ACTIVITYNET12.rule, beta=0.1, fraction=3
        ),
        "neither centres nor counts": replace(
            default, alpha=0.0, beta=0.0, shortest_video=9, inputs=Inputs(), class_fraction=3
        ),
        "other weights": replace(default, alpha=0.1, centre_rate=0.5, count_absent=0.5, crops=None),
    }


def of_a2clpt() -> dict[str, a2clpt.Config]:
    default = small(a2clpt.Config(), hidden=8, dropout=0.3, crop=14, erased=4, centre_delay=5)
    return {
        "default": default,
        "whole videos, other angles": replace(
            default,
            crop=None,
            centre_delay=0,
            gamma=1.0,
            margin_negative=0.5,
            margin_centre=0.25,
            beta=(0.2, 0.5),
        ),
        "erased by the crop's length": replace(default, erase_by="crop", omega=0.2, fraction=3),
        "above the middle": replace(
            default,
            alpha=0.25,
            centre_rates=(0.5,),
            rule=replace(default.rule, threshold="middle", class_ratio=0.0),
            class_fraction=3,
        ),
    }


def of_emmil() -> dict[str, emmil.Config]:
    turns = {"first_m": 1, "first_e": 1, "second_m": 1, "video_epochs": 4}
    default = small(emmil.Config(), hidden=8, **turns)
    return {
        "default": default,
        "ranked, as printed": replace(
            default, class_weight=0.2, confidence="mean", keep_last=True, gamma=0.4
        ),
        "long first steps": replace(default, first_m=2, first_e=2, second_m=2, threshold=0.2),
    }


def of_asmloc() -> dict[str, asmloc.Config]:
    low = replace(asmloc.PSEUDO_RULE, magnitude=(0.45, 0.5, 0.55))
    default = small(
        asmloc.Config(), samples=16, width=8, dropout=0.3, step_epochs=2, steps=2, pseudo_rule=low
    )
    return {
        "default": default,
        "base alone": replace(default, steps=0, action_fraction=3, background_fraction=6),
        "no context, one head": replace(
            default, delta=0.0, gamma=4.0, alpha=1.0, heads=1, beta=0.6, steps=1
        ),
        "other weights": replace(
            default, lambda_fg=0.5, lambda_bg=1.0, lambda_abg=0.25, fps=50.0, stride=32.0
        ),
    }


def of_cola() -> dict[str, cola.Config]:
    default = small(cola.Config(), samples=12, width=8, dropout=0.3, lambda_snico=0.5)
    return {
        "default": default,
        "all snippets": replace(default, samples=None, narrow=2, wide=5),
        "other sets": replace(
            default, samples=None, easy=2, hard=4, easy_dropout=0.2, temperature=0.5
        ),
        "actions alone": replace(
            default, samples=None, lambda_snico=0.0, rule=replace(default.rule, magnitude=())
        ),
    }


VARIANTS: dict[str, Callable[[], dict[str, Any]]] = {
    "facnet": of_facnet,
    "topk_mil": of_topk_mil,
    "ten": of_ten,
    "backtal": of_backtal,
    "basnet": of_basnet,
    "sfnet": of_sfnet,
    "stpn": of_stpn,
    "bm": of_bm,
    "rskp": of_rskp,
    "gaufuse": of_gaufuse,
    "cw_plugin": of_cw_plugin,
    "um": of_um,
    "wtalc": of_wtalc,
    "hamnet": of_hamnet,
    "co2net": of_co2net,
    "delu": of_delu,
    "c3net": of_c3net,
    "a2clpt": of_a2clpt,
    "emmil": of_emmil,
    "asmloc": of_asmloc,
    "cola": of_cola,
}


def localizations(method_name: str) -> dict[str, Any]:
    """Configs whose localization is given made activations: the Config's own constants, and others
    whose thresholds the activations of `micro_data` reach exactly.
    """
    if method_name in LOCALIZATIONS:
        return LOCALIZATIONS[method_name]()
    return {"quick": method(method_name).profiles["quick"]}


EXACT = tuple(level * UNIT for level in LEVELS[:3])


def in_facnet() -> dict[str, facnet.Config]:
    # thresholds and class threshold are multiplied by 21 / 4 on this data set
    exact = facnet.Config(
        thresholds=tuple(level * 4 / 512 for level in LEVELS), class_threshold=1 / 16
    )
    return {
        "default": facnet.Config(),
        "exact": exact,
        "true tIoU": replace(exact, overlap="iou", trailing_scale=1.0, stream_overlap=0.5),
        "upsampled": replace(exact, upsample=16, merge_overlap=0.5, shortest=2),
        "no background": replace(exact, background=False, outer_weight=1.0),
    }


def in_topk_mil() -> dict[str, topk_mil.Config]:
    return {
        "default": topk_mil.Config(),
        "exact": topk_mil.Config(class_ratio=1.5, thresholds=(0.25, 0.5, 0.75)),
        "other constants": topk_mil.Config(class_ratio=0.75, overlap=0.5, margin=0.5, shortest=3),
    }


def in_ten() -> dict[str, ten.Config]:
    exact = ten.Config(upsampling=1, thresholds=(0.25, 0.5, 0.75), class_threshold=0.25)
    return {
        "default": ten.Config(),
        "exact": exact,
        "as they are": replace(exact, locnorm="none", thresholds=EXACT, score_class=1.0),
        "longer by a second": replace(exact, nms_iou="plus_one_seconds", nms=0.25, shortest=4),
        "one class at least": ten.Config(class_threshold=0.5, upsampling=2, outer=0.5),
    }


def in_backtal() -> dict[str, backtal.Config]:
    rule = backtal.Config().rule
    exact = replace(rule, grid=1, thresholds=(0.0, 0.25, 0.5, 0.75), magnitude=(0.25, 0.5))
    return {
        "default": backtal.Config(),
        "exact": backtal.Config(rule=exact),
        "as on ActivityNet": backtal.ACTIVITYNET12,
        "stretched": backtal.Config(rule=replace(exact, grid=4, outer_end="inclusive", nms=0.5)),
        "true tIoU": backtal.Config(
            rule=replace(
                exact,
                nms_iou="iou",
                nms=0.5,
                drop_frame0_run=False,
                shrink=0.125,
                class_threshold=0.5,
            )
        ),
    }


def in_basnet() -> dict[str, basnet.Config]:
    rule = basnet.Config().rule
    exact = replace(rule, grid=1, thresholds=(0.0, 0.25, 0.5, 0.75))
    return {
        "default": basnet.Config(),
        "exact": basnet.Config(rule=exact),
        "first class kept": basnet.Config(
            rule=replace(
                exact,
                fix_class0=True,
                score_class="probability",
                outer_scale=1.0,
                class_threshold=0.5,
                nms_iou="iou",
                nms=0.75,
            )
        ),
        "with whole videos": basnet.Config(
            rule=replace(exact, grid="frames", whole_video=0.5, magnitude=(0.25, 0.75))
        ),
    }


def in_sfnet() -> dict[str, sfnet.Config]:
    return {
        "default": sfnet.Config(),
        "more classes": sfnet.Config(class_ratio=8.0, shortest=1),
        "longer runs": sfnet.Config(class_ratio=3.0, shortest=4),
    }


def in_stpn() -> dict[str, stpn.Config]:
    rule = stpn.Config().rule
    exact = replace(rule, upsampling=1, thresholds=(0.25, 0.5, 0.75), class_threshold=0.25)
    return {
        "default": stpn.Config(),
        "exact": stpn.Config(rule=exact),
        "first class kept": stpn.Config(
            rule=replace(exact, fix_class0=True, drop_frame0_run=False, thresholds=EXACT)
        ),
    }


def in_bm() -> dict[str, bm.Config]:
    rule = bm.Config().rule
    exact = replace(rule, upsampling=1, thresholds=EXACT, class_threshold=0.25)
    return {
        "default": bm.Config(),
        "exact": bm.Config(rule=exact),
        "each side, by stream": bm.Config(
            rule=replace(exact, outer_sides="each", outer=0.5, grid="left"),
            thresholds_by_stream=EXACT[:2],
        ),
    }


def in_rskp() -> dict[str, rskp.Config]:
    exact = rskp.Config(thresholds=EXACT, class_threshold=0.25)
    return {
        "default": rskp.Config(),
        "exact": exact,
        "upsampled": replace(exact, upsample=16, margin_power=0.5, shortest=4),
        "fused": replace(exact, suppression=gaufuse.AT_TEST_TIME, outer_weight=0.5),
        "true tIoU": replace(
            exact,
            suppression=replace(rskp.NMS, overlap="iou", limit=2 / 3),
            outer_weight=0.25,
            shortest=3,
        ),
    }


def in_gaufuse() -> dict[str, gaufuse.Config]:
    hosts = {
        "rskp": in_rskp()["exact"],
        "facnet": in_facnet()["exact"],
        "topk_mil": in_topk_mil()["exact"],
        "basnet": in_basnet()["exact"],
        "backtal": in_backtal()["exact"],
        "sfnet": in_sfnet()["default"],
        "ten": in_ten()["exact"],
        "um": in_um()["exact"],
    }
    wrapped = {name: gaufuse.wrap(name, host) for name, host in hosts.items()}
    configs = {"default": gaufuse.OFFICIAL, "as printed": gaufuse.as_printed(gaufuse.OFFICIAL)}
    configs |= {f"around {name}": config for name, config in wrapped.items()}
    fusion = wrapped["rskp"].test_fusion
    for name in ("uniform", "laplace", "t", "nms"):
        rule = replace(fusion, distribution=name)
        configs[name] = replace(wrapped["rskp"], test_fusion=rule)
    by_score = replace(fusion, logit="score", overlap="iou", limit=0.5)
    return configs | {"by score": replace(wrapped["rskp"], test_fusion=by_score)}


def in_cw_plugin() -> dict[str, cw_plugin.Config]:
    return {"default": cw_plugin.OFFICIAL}


def in_um() -> dict[str, um.Config]:
    rule = um.Config().rule
    exact = replace(rule, grid=1, thresholds=(0.0, 0.25, 0.5, 0.75), magnitude=(0.75, 1.0))
    return {
        "default": um.Config(),
        "exact": um.Config(rule=exact),
        "one class at least": um.Config(rule=replace(exact, class_threshold=0.9, nms=0.3)),
        "own range, longer runs": um.Config(
            rule=replace(exact, magnitude_range="video", shortest=5, at_least_one=False)
        ),
    }


def in_wtalc() -> dict[str, wtalc.Config]:
    return {
        "default": wtalc.Config(),
        "longer runs": wtalc.Config(shortest=4, score_weight=0.25),
        "as FAC-Net": wtalc.Config(post="facnet"),
    }


def in_hamnet() -> dict[str, hamnet.Config]:
    rule = hamnet.Config().rule
    exact = replace(rule, thresholds=EXACT[:2])
    return {
        "default": hamnet.Config(),
        "exact": hamnet.Config(rule=exact),
        "every class, true tIoU": hamnet.Config(
            rule=replace(exact, class_threshold=0.25, extra=0.0, fix_any=True, at_least_one=True)
        ),
    }


def in_co2net() -> dict[str, co2net.Config]:
    exact = replace(co2net.Config().rule, thresholds=EXACT[:2])
    return {
        "default": co2net.Config(),
        "exact": co2net.Config(rule=exact),
        "longer runs": co2net.Config(rule=replace(exact, longer_than=2.0, outer=0.5, sigma=0.5)),
    }


def in_delu() -> dict[str, delu.Config]:
    exact = replace(delu.Config().rule, thresholds=EXACT[:2])
    return {"default": delu.Config(), "exact": delu.Config(rule=replace(exact, gamma=0.5))}


def in_c3net() -> dict[str, c3net.Config]:
    rule = c3net.Config().rule
    return {
        "default": c3net.Config(),
        "longer runs of all classes": c3net.Config(
            rule=replace(rule, class_ratio=0.0, shortest=4, score_weight=0.25)
        ),
        "above 0": c3net.Config(rule=replace(rule, threshold="zero")),
    }


def in_a2clpt() -> dict[str, a2clpt.Config]:
    rule = a2clpt.Config().rule
    return {
        "default": a2clpt.Config(),
        "above the middle": a2clpt.Config(rule=replace(rule, threshold="middle", shortest=1)),
    }


def in_emmil() -> dict[str, emmil.Config]:
    return {
        "default": emmil.Config(),
        "ranked, with last runs": emmil.Config(confidence="mean", keep_last=True, threshold=0.25),
        "more classes": emmil.Config(class_threshold=1 / 16, threshold=0.0),
    }


def in_asmloc() -> dict[str, asmloc.Config]:
    exact = replace(asmloc.RULE, grid=1, thresholds=(0.25, 0.5), magnitude=(0.25, 0.5, 0.75))
    return {
        "default": asmloc.Config(),
        "exact": asmloc.Config(rule=exact),
        "true tIoU": asmloc.Config(rule=replace(exact, nms_iou="iou", nms=0.5, shortest=1)),
    }


def in_cola() -> dict[str, cola.Config]:
    rule = cola.Config().rule
    exact = replace(rule, grid=1, thresholds=(0.0, 0.25, 0.5, 0.75), magnitude=(0.25, 0.5))
    return {
        "default": cola.Config(),
        "exact": cola.Config(rule=exact),
        "one class at least": cola.Config(rule=replace(exact, class_threshold=1.0, shortest=1)),
        "true tIoU": cola.Config(rule=replace(exact, nms_iou="iou", nms=0.5, times="share")),
    }


LOCALIZATIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "facnet": in_facnet,
    "topk_mil": in_topk_mil,
    "ten": in_ten,
    "backtal": in_backtal,
    "basnet": in_basnet,
    "sfnet": in_sfnet,
    "stpn": in_stpn,
    "bm": in_bm,
    "rskp": in_rskp,
    "gaufuse": in_gaufuse,
    "cw_plugin": in_cw_plugin,
    "um": in_um,
    "wtalc": in_wtalc,
    "hamnet": in_hamnet,
    "co2net": in_co2net,
    "delu": in_delu,
    "c3net": in_c3net,
    "a2clpt": in_a2clpt,
    "emmil": in_emmil,
    "asmloc": in_asmloc,
    "cola": in_cola,
}
