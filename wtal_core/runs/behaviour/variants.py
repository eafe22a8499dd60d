"""Which configs of each method the micro-runs train: small widths, few epochs, every switch once.

A variant changes several switches that do not hide each other. A method that is not listed here
trains its profile "quick" for a few epochs.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wtal_core.models import (
    asmloc,
    backtal,
    basnet,
    cola,
    facnet,
    gaufuse,
    method,
    rskp,
    sfnet,
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
        for name, config in (
            ("facnet", of_facnet()["default"]),
            ("topk_mil", of_topk_mil()["default"]),
        )
    }
    return {
        "default": official,
        "as printed": replace(gaufuse.as_printed(official), **{**late, "limit": 2.0}),
        "LinPro alone": gaufuse.ablate(official, True, False, False, False),
        "around facnet": replace(gaufuse.wrap("facnet", around["facnet"]), **late),
        "around topk_mil": replace(gaufuse.wrap("topk_mil", around["topk_mil"]), **late),
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


VARIANTS: dict[str, Callable[[], dict[str, Any]]] = {
    "facnet": of_facnet,
    "topk_mil": of_topk_mil,
    "ten": of_ten,
    "backtal": of_backtal,
    "basnet": of_basnet,
    "asmloc": of_asmloc,
    "cola": of_cola,
    "sfnet": of_sfnet,
    "rskp": of_rskp,
    "gaufuse": of_gaufuse,
    "um": of_um,
    "wtalc": of_wtalc,
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


def in_sfnet() -> dict[str, sfnet.Config]:
    return {
        "default": sfnet.Config(),
        "more classes": sfnet.Config(class_ratio=8.0, shortest=1),
        "longer runs": sfnet.Config(class_ratio=3.0, shortest=4),
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


LOCALIZATIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "facnet": in_facnet,
    "topk_mil": in_topk_mil,
    "ten": in_ten,
    "backtal": in_backtal,
    "basnet": in_basnet,
    "asmloc": in_asmloc,
    "cola": in_cola,
    "sfnet": in_sfnet,
    "rskp": in_rskp,
    "gaufuse": in_gaufuse,
    "um": in_um,
    "wtalc": in_wtalc,
}
