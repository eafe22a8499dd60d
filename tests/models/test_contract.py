"""The contract of a method, and the check of its settings."""

import importlib
from dataclasses import fields, replace
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import pytest

from wtal_core.checks import PositiveInt, Rate, described, hints_of, is_allowed
from wtal_core.errors import WorkbookError
from wtal_core.localization.frames import FrameRule
from wtal_core.models import facnet, method, method_names, rskp, ten
from wtal_core.models.contract import Host, Method
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.schedule import Schedule

NAMES = [
    "a2clpt",
    "asmloc",
    "backtal",
    "basnet",
    "bm",
    "c3net",
    "co2net",
    "cola",
    "cw_plugin",
    "delu",
    "emmil",
    "facnet",
    "gaufuse",
    "hamnet",
    "rskp",
    "sfnet",
    "stpn",
    "ten",
    "topk_mil",
    "um",
    "wtalc",
]
PIECES = ("Config", "profiles", "Network", "loss", "activate", "localize", "signals", "objective")


def texts_of(hint) -> tuple[str, ...]:
    """The words that a Literal, alone or in a union, allows."""
    if get_origin(hint) is Literal:
        return tuple(choice for choice in get_args(hint) if isinstance(choice, str))
    if get_origin(hint) in (Union, UnionType):
        return tuple(text for part in get_args(hint) for text in texts_of(part))
    return ()


def chosen_by_word() -> list[tuple[str, str, str]]:
    """(method, field, one allowed word) of each Literal of words of each Config."""
    cases = []
    for name in NAMES:
        for field, hint in hints_of(method(name).Config).items():
            if texts_of(hint):
                cases.append((name, field, texts_of(hint)[0]))
    return cases


def test_all_methods_and_nothing_else_are_listed():
    assert method_names() == NAMES
    assert [method(name).name for name in NAMES] == NAMES
    with pytest.raises(WorkbookError, match="unknown method 'method'; known: a2clpt, asmloc"):
        method("method")


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_passes_the_checks(name):
    for config in method(name).profiles.values():
        assert replace(config) == config


def test_there_are_words_to_misspell():
    assert len(chosen_by_word()) >= 20


@pytest.mark.parametrize(("name", "field", "word"), chosen_by_word())
def test_a_misspelt_word_is_refused_with_the_allowed_ones(name, field, word):
    config = method(name).profiles["quick"]
    with pytest.raises(WorkbookError, match=f"^{name}: {field} is '{word}x'; expected .*'{word}'"):
        replace(config, **{field: word + "x"})


@pytest.mark.parametrize(
    ("name", "field", "value", "allowed"),
    [
        ("ten", "reading", "a", "one of 'A', 'B'"),
        ("ten", "background", "bgse", "one of 'plain', 'bges', 'grl'"),
        ("backtal", "layout", "paper_eq_15", "one of 'official_groups', 'paper_eq15'"),
        ("facnet", "foreground_init", "negative-background", "'negative_background', 'xavier'"),
        ("facnet", "class_source", "MIL", "one of 'auto', 'ca', 'mil', 'cw'"),
        ("facnet", "dropout", 1.5, r"a number in \[0, 1\)"),
        ("facnet", "dropout", -1.0, r"a number in \[0, 1\)"),
        ("facnet", "dropout", float("nan"), r"a number in \[0, 1\)"),
        ("facnet", "embedding", 0, "a whole number >= 1"),
        ("facnet", "embedding", 64.0, "a whole number >= 1"),
        ("facnet", "embedding", True, "a whole number >= 1"),
        ("facnet", "background", 1, "True or False"),
        ("facnet", "taus", (1.0, 2.0, "5"), "a tuple, each item a number > 0"),
        ("facnet", "taus", [1.0], "a tuple, each item a number > 0"),
        ("facnet", "schedule", None, "a Schedule"),
        ("rskp", "spl_weights", ((0, 1.0), (1, -1.0)), "a tuple, each item a tuple of a whole"),
    ],
)
def test_what_ran_as_another_variant_is_refused(name, field, value, allowed):
    with pytest.raises(WorkbookError, match=f"^{name}: {field} is .*; expected .*{allowed}"):
        replace(method(name).profiles["quick"], **{field: value})


def test_every_item_of_a_long_tuple_is_looked_at():
    thresholds = (0.1,) * 500
    for place in (0, 250, 499):
        wrong = (*thresholds[:place], "0.1", *thresholds[place + 1 :])
        with pytest.raises(WorkbookError, match="thresholds"):
            facnet.Config(thresholds=wrong)
    assert facnet.Config(thresholds=thresholds).thresholds == thresholds


def test_schedule_and_inputs_check_themselves():
    with pytest.raises(WorkbookError, match="Schedule: order is 'random'; expected one of"):
        Schedule(order="random")
    with pytest.raises(WorkbookError, match="Schedule: epochs is 0; expected a whole number >= 1"):
        Schedule(epochs=0)
    with pytest.raises(WorkbookError, match="Inputs: clicks is 'all'; expected one of 'none'"):
        Inputs(clicks="all")


def test_the_rule_of_frames_checks_itself():
    with pytest.raises(WorkbookError, match="FrameRule: outer_end is 'inclusiv'; expected one of"):
        FrameRule(outer_end="inclusiv")


def test_a_whole_number_stands_for_a_decimal_one():
    assert facnet.Config(dropout=0).dropout == 0


def test_types_in_words():
    assert described(PositiveInt | None) == "a whole number >= 1 or None"
    assert described(tuple[int, Rate]) == "a tuple of a whole number, a number in [0, 1)"
    assert is_allowed(None, PositiveInt | None) and not is_allowed(0, PositiveInt | None)


def test_configure_knows_the_nearest_names():
    assert method("facnet").configure(facnet.QUICK, dropout=0.1) == replace(
        facnet.QUICK, dropout=0.1
    )
    with pytest.raises(WorkbookError, match="facnet has no setting 'drpout'; did you mean dropout"):
        method("facnet").configure(facnet.QUICK, drpout=0.1)
    with pytest.raises(WorkbookError, match="no setting 'zzz'; choose one of embedding, kernel"):
        method("facnet").configure(facnet.QUICK, zzz=1)
    with pytest.raises(WorkbookError, match="ten: reading is 'a'"):
        method("ten").configure(ten.QUICK, reading="a")


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_piece_is_named(piece):
    pieces = {field.name: vars(facnet.METHOD)[field.name] for field in fields(Method)}
    del pieces[piece]
    with pytest.raises(WorkbookError, match=f"method facnet: {piece}.* is missing; expected"):
        Method(**pieces)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Network": dict}, "Network is <class 'dict'>; expected a torch.nn.Module class"),
        ({"loss": "loss"}, r"loss is 'loss'; expected a function of \(outputs, batch, config\)"),
        ({"loss": lambda outputs: {}}, "loss is .* expected a function of"),
        ({"between_epochs": lambda network: None}, "between_epochs is .* expected a function of"),
        ({"profiles": {"official": facnet.OFFICIAL}}, r"profiles\['quick'\] is missing"),
        (
            {"profiles": {"official": rskp.OFFICIAL, "quick": rskp.QUICK}},
            r"expected a facnet.Config",
        ),
        ({"Config": Schedule}, "Config is .* expected a frozen dataclass that inherits"),
        ({"host": Host()}, "host.instances is missing"),
        ({"host": replace(facnet.METHOD.host, negative_labels="no")}, "'no'; expected 'kept' or"),
        ({"host": replace(facnet.METHOD.host, label_settings=(("nothing", 1.0),))}, "'nothing'"),
    ],
)
def test_a_wrong_piece_is_named(change, message):
    with pytest.raises(WorkbookError, match=message):
        replace(facnet.METHOD, **change)


def test_ranges_are_part_of_the_type():
    assert get_origin(Rate) is Annotated


def test_a_profile_on_a_data_set_says_what_is_taken_where_nothing_is_published():
    method_ = method("backtal")
    assert method_.config_for("official", "thumos14") == (method_.profiles["official"], "")
    assert method_.config_for("quick", "gtea") == (method_.profiles["quick"], "")
    config, note = method_.config_for("official", "salads50")
    assert config == method_.profiles["official"]
    assert note == "backtal: no published setting for salads50, those for thumos14 are taken"
    config, note = method("gaufuse").config_for("printed", "activitynet1.3")
    assert note == "" and config.schedule.batch_size == 128
    config, note = method("gaufuse").config_for("official", "activitynet1.3")
    assert config == method("gaufuse").profiles["official"]
    assert note == "gaufuse: no official setting of its own, that for thumos14 is taken"
    with pytest.raises(WorkbookError, match="unknown profile 'paper'; expected official, printed"):
        method_.config_for("paper", "thumos14")


def test_settings_of_a_benchmark_are_checked():
    wrong = {"hacs": {"quick": facnet.QUICK}}
    with pytest.raises(WorkbookError, match=r"benchmarks\['hacs'\]\['quick'\]"):
        replace(method("facnet"), benchmarks=wrong)


def test_printed_profiles_hold_what_the_papers_text_says():
    """FAC-Net, Sections 3 and 4.2; BackTAL, Section 4.1 and Eq. 3, 8, 11 and 15."""
    printed = method("facnet").profiles["printed"]
    assert printed.video_scale == printed.delta == 5 and printed.trailing_scale == 1
    assert (printed.upsample, printed.overlap, printed.foreground_init) == (16, "iou", "xavier")
    for dataset, epochs, length in (
        ("thumos14", 100, 750),
        ("activitynet1.2", 25, 100),
        ("hacs", 8, 200),
    ):
        config, note = method("backtal").config_for("printed", dataset)
        assert note == "" and config.inputs.length == length
        schedule = config.schedule
        assert (schedule.epochs, schedule.batch_size, schedule.learning_rate) == (epochs, 16, 1e-4)
        assert (config.layout, config.sep_form, config.hard) == ("paper_eq15", "eq8", "global_max")
        assert (config.frame_mean, config.lambda_sep, config.emb_hidden) == ("per_video", 1, 0)
        assert (config.rule.class_threshold, config.rule.nms, config.top) == (0.25, 0.7, 0.125)
        assert config.rule.magnitude == () and config.rule.whole_video is None


def test_settings_of_benchmarks():
    assert method("sfnet").config_for("official", "beoid")[0].crops == (100, 400)
    assert method("ten").config_for("official", "activitynet1.2")[0].lambda_bg == 0.02
    config, note = method("backtal").config_for("official", "hacs")
    assert config.schedule.select == "activitynet" and note == ""
    assert method("backtal").profiles["official"].schedule.select == "map50"
    assert method("rskp").config_for("printed", "activitynet1.3")[1] == (
        "rskp: no published setting for activitynet1.3, those for thumos14 are taken; "
        "no printed setting of its own, the official one is taken"
    )


@pytest.mark.parametrize("name", ["facnet", "backtal", "gaufuse"])
def test_the_printed_form_of_a_printed_form_is_the_same(name):
    """A notebook asks for it whatever the profile is."""
    as_printed = importlib.import_module(f"wtal_core.models.{name}").as_printed
    for config in method(name).profiles.values():
        printed = as_printed(config)
        assert as_printed(printed) == printed
    assert as_printed(method(name).profiles["official"]) != method(name).profiles["official"]
