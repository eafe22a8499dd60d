# %% md
# BackTAL, Table 2: comparison on ActivityNet 1.2

**The paper's claim.** With simulated background clicks BackTAL reaches 27.0 average mAP (tIoU 0.5:0.05:0.95) on ActivityNet 1.2, the best
of the weakly supervised methods, and the best at nine of ten thresholds.

**Cost.** 4 rows × seeds, seconds each in profile `quick`. With the committed records: nothing.

PARAMS
# %%
from dataclasses import replace

import pandas as pd
from IPython.display import Markdown, display

from wtal_core.data import availability
from wtal_core.models import backtal
from wtal_core.report import backtal_figures, figures, messages, papers, tables
from wtal_core.runs.facts import strict_of
from wtal_core.runs.session import open_session

session = open_session("backtal/table2", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

Instances of ActivityNet fill much of their video, 1.5 a video. So the official setting looks at more of it and says less of borders: each
video has $T=100$ snippets, the mean of $k=0.6\,T$ logits is a class's score, the background is pushed away only weakly ($\lambda=0.1$),
the outer area reaches 20 lengths, and the whole video is always proposed, with score 0.6 (`backtal.ACTIVITYNET12`).
Clicks are simulated in the paper, too: one a background interval.

# %% md
## What the paper prints

# %%
columns = papers.reported("backtal")["tables"]["table2"]["columns"]
printed_caption = "BackTAL Table 2 as printed. ActivityNet 1.2 validation set, mAP (%). Reported by the papers."
display(Markdown(printed_caption))
tables.save_table(tables.printed_table("backtal/table2", columns), session.path("_printed.csv"), printed_caption)

# %% md
## Are the features here?

# %%
print(availability.features_line("activitynet1.2"))
here = session.dataset.name == "activitynet1.2"
what = "the paper's own data set" if here else f"ActivityNet's setting on other data: {session.dataset.title}"
print(f"below: {what}")

# %% md
## The rows, as configurations

`setting` is the official one. In profile `quick` the network's size and the schedule stay small. THUMOS14's setting stands beside it: where the
data are like THUMOS14, with actions in a quarter of the time, a top-k mean over 60 % of the snippets is mostly background.

# %%
base = session.base("backtal")
official, names = backtal.ACTIVITYNET12, ("inputs", "top", "top_sep", "lambda_sep", "rule")
setting = official if profile == "paper" else replace(base, **{name: getattr(official, name) for name in names})
parts = [session.run("basnet", {"BaS-Net": session.base("basnet")}), session.run("sfnet", {"SF-Net": session.base("sfnet")}),
         session.run("backtal", {"Baseline": backtal.baseline(setting), "BackTAL": setting, "BackTAL, THUMOS14's setting": base})]
records = {row: found for part in parts for row, found in part.records.items()}
results = replace(parts[0], records=records).measured(protocol="activitynet")
caption = f"BackTAL Table 2, {what}. {results.provenance()}."
tables.settings({"THUMOS14's": base, "ActivityNet 1.2's": setting}).T.where(lambda table: table.notna(), "none")

# %% md
## Strict thresholds, as the paper's table

mAP (%) a tIoU by the ActivityNet protocol, mean ± deviation over seeds.

# %%
configs = {"BaS-Net": ("basnet", session.base("basnet")), "SF-Net": ("sfnet", session.base("sfnet")),
           "Baseline": ("backtal", backtal.baseline(setting)), "BackTAL": ("backtal", setting),
           "BackTAL, THUMOS14's setting": ("backtal", base)}
strict = {row: strict_of(session, *config) for row, config in configs.items()}
shown = pd.DataFrame({row: {c: tables.spread(values[c]) for c in values} for row, values in strict.items()}).T
tables.save_table(shown, session.path(".csv"), caption + " mAP (%), mean ± deviation over seeds.")

# %%
paper = {"BaS-Net": 24.3, "SF-Net": 22.8, "BackTAL": 27.0}
values = {row: table["AVG"] for row, table in strict.items()}
title = caption.replace(". ", ".\n", 1)
axis, source = "average mAP, tIoU 0.5:0.05:0.95 (%)", "paper, on ActivityNet 1.2"
figure = backtal_figures.row_bars(values, title, axis, printed=paper, source=source)
figures.save_figure(figure, session.path(".png"))

# %% md
## Beside the paper, and the milder thresholds

The records hold tIoU 0.1 to 0.7; its average says more where hardly anything reaches 0.9. No delta: the data set is another one.

# %%
mild = tables.beside_reported(results, {}).drop(columns=["reported", "delta"])
tables.save_table(mild, session.path("_mild.csv"), caption + " Average mAP (%) over tIoU 0.1:0.1:0.7.")

# %% md
## Does the message hold here?

# %%
claims = {"clicks beat none": [("BackTAL", "Baseline")], "background clicks beat action clicks": [("BackTAL", "SF-Net")],
          "the data set's own setting helps": [("BackTAL", "BackTAL, THUMOS14's setting")]}
judged = messages.judge(results, claims, paper)
tables.save_table(judged, session.path("_messages.csv"), caption + " Here: average mAP, tIoU 0.1:0.1:0.7; paper: 0.5:0.05:0.95.")

# %% md
## What the whole-video proposal is worth

It is in the code, not in the paper. Localization only: the setting without it and without shrinking, the same otherwise.

# %%
bare = replace(setting, rule=replace(setting.rule, whole_video=None, shrink=0.0))
without = strict_of(session, "backtal", bare)["AVG"]
print(f"average mAP, tIoU 0.5:0.05:0.95 (%): with {tables.spread(values['BackTAL'])}, without {tables.spread(without)}")

# %% md
## What differs from paper and code

* The paper states k = T/8, learning rate 1e-4, batch 16 and λ = 1 for all data sets; the code has 0.6 T, 2e-4, 128 and 0.1 here.
* Whole-video proposals all score 0.6, so their order among videos is undefined in the code (unstable sort); here they stay as listed.
* BaS-Net and SF-Net run with their THUMOS14 settings: those for ActivityNet were never released.
* 341 of the 4819 training videos have no background interval longer than 0.5 s, and so no click: such a video gives no click loss.

## Exercises

1. Run the setting with `top=0.125`. What is the top-k mean of a class whose instance fills two thirds of the video?
2. Why does a whole-video proposal help at tIoU 0.5 on ActivityNet, and hardly on this data set? Look at the coverage of instances in
   `notebooks/simulated_data.ipynb`.

# %%
print(f"Made from {sum(map(len, results.records.values()))} records. {results.provenance()}.")
