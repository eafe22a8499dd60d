# %% md
# BackTAL, Figure 4: score separation

**The paper's claim.** The separation loss pushes the scores of action and background apart, so that the activation of an action stands out of what
is around it. The paper shows one video, before and after.

**Cost.** 2 rows of Table 7 × seeds. With the committed records and figure arrays: nothing.

PARAMS
# %%
import pandas as pd
from IPython.display import Image, Markdown, display

from wtal_core.models import backtal
from wtal_core.report import backtal_figures, figures, signals, tables
from wtal_core.report.seeds import paired
from wtal_core.runs.facts import facts_of
from wtal_core.runs.session import open_session

session = open_session("backtal/figure4", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

Let $p_{act}$ be the mean of the k highest logits of a class and $p_{bg}$ the mean of its logits at the clicked background snippets. A two-way softmax of
the two should be all action (`losses/separation.py`):

$$\mathcal L_{sep}=-\log\frac{e^{p_{act}}}{e^{p_{act}}+e^{p_{bg}}}=\log(1+e^{p_{bg}-p_{act}})\tag{4 to 8}$$

So one click says something about *every* class of the video, not only that a snippet is background.

# %% md
## The two configurations

Both have background clicks and their frame loss; only the second has the separation loss. No affinity.

# %%
table7 = backtal.rows(7, session.base("backtal"))
rows = {"before": table7["+ Background Click"], "after": table7["+ Score Separation"]}
results = session.run("backtal", rows).measured(0.5, protocol="activitynet")
about = f"{session.dataset.title} ({session.dataset.origin} data), profile {profile}, last epoch"
display(Markdown(f"BackTAL Figure 4. {results.provenance()}."))
tables.per_tiou(results)

# %% md
## The figure, on two videos

The activation of the video's class ($S_{supp}$, 0 = its lowest value in the video, 1 = its highest), seed 0.

# %%
lines = {}
for number, video in enumerate(session.dataset.probes):
    truth, label = signals.truth_of(session.dataset, video)
    column = session.dataset.classes.index(label)
    drawn = {row: session.signals("backtal", config, video) for row, config in rows.items()}
    curves = {row: backtal_figures.unit_range(arrays["s_a"][:, column]) for row, arrays in drawn.items()}
    found = {f"detections {row}": signals.detections_of(arrays, column) for row, arrays in drawn.items()}
    caption = f"BackTAL Figure 4, {video}, class {label}, seed 0. {about}"
    figure = figures.timeline(curves, truth, found, session.dataset.timebase, caption)
    figures.save_figure(figure, session.path(f"_{number + 1}.png"))
    action, anything = (signals.inside(session.dataset, video, *which) for which in ((label,), ()))
    lines[f"{video}, {label}"] = backtal_figures.level_table(curves, action, ~anything)

# %%
Image(str(session.path("_1.png")))

# %%
Image(str(session.path("_2.png")))

# %% md
## In numbers: these videos

Mean normalised activation over the snippets of the class's instances, over those outside of all instances, and the difference.

# %%
table = pd.concat(lines, names=["video, class", "separation loss"]).round(2)
tables.save_table(table, session.path(".csv"), f"BackTAL Figure 4. Mean normalised activation, seed 0. {about}.")

# %% md
## In numbers: all test videos, all seeds

# %%
levels = {row: pd.DataFrame([one["levels"] for one in facts_of(session, "backtal", config)], columns=["action", "background"],
                            index=list(session.seeds)) for row, config in rows.items()}
gaps = {row: table["action"] - table["background"] for row, table in levels.items()}
parts = {row: {"action": table["action"], "background": table["background"], "difference": gaps[row]}
         for row, table in levels.items()}
summary = pd.DataFrame({row: {name: tables.spread(100 * value) for name, value in part.items()} for row, part in parts.items()}).T
caption = f"BackTAL Figure 4, all test videos. {results.provenance()}. Mean normalised activation (%), ± deviation over seeds."
tables.save_table(summary, session.path("_all.csv"), caption)

# %%
apart = paired({"difference after − before": (100 * gaps["after"], 100 * gaps["before"])})
tables.save_table(apart, session.path("_messages.csv"), caption + " Points of the difference, paired by seed.")

# %% md
## What differs from paper and code

* Videos are chosen by rule, before any result: the test videos with most and with the median number of instances. The paper's one is not named.
* The code counts $\mathcal L_{sep}$ once where Eq. 8 writes two terms that are equal: `sep_form="eq8"` is the paper's, twice the code's.
* The loss acts on the `base` branch; what is drawn and localized is the `supp` branch. They share all weights but the attention.

## Exercises

1. Take `sep_branch="supp"`. Does the difference grow, and does mAP?
2. The loss sees $p_{bg}$ at clicks only. Draw the activation near a click and far from one.
3. A normalised difference can grow while the raw logits come closer. How?

# %%
print(f"Made from {sum(map(len, results.records.values()))} records. {results.provenance()}.")
