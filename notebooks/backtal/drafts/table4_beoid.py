# %% md
# BackTAL, Table 4: comparison on BEOID

**The paper's claim.** On BEOID, 58 short videos of 34 everyday actions, BackTAL reaches 32.5 average mAP (tIoU 0.1:0.1:0.7) against 30.1 of
SF-Net, and loses only at 0.1.

**Cost.** 4 rows × seeds, seconds each in profile `quick`. With the committed records: nothing.

PARAMS
# %%
from dataclasses import replace

from IPython.display import Markdown, display

from wtal_core.data import availability
from wtal_core.models import backtal
from wtal_core.report import backtal_figures, figures, messages, papers, tables
from wtal_core.runs.session import open_session

session = open_session("backtal/table4", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

The method is that of Table 1. No official configuration of BEOID exists, and the authors' background clicks on it are unpublished. The
setting here is therefore a choice: $T=100$ snippets a video, all else as on THUMOS14. On BEOID itself clicks would be simulated from the
annotations, one a background interval.

# %% md
## What the paper prints

# %%
columns = papers.reported("backtal")["tables"]["table4"]["columns"]
rows_printed = papers.reported_rows("backtal/table4")
printed = {row["method"]: dict(zip(columns, row["v"], strict=True)) for row in rows_printed}
for method_name, row in printed.items():
    print(f"{method_name}: " + ", ".join(f"{c} {'–' if v is None else v}" for c, v in row.items()))
print("reported, BEOID test set (12 videos), mAP (%)")

# %% md
## Are the features here?

# %%
print(availability.features_line("beoid"))
here = session.dataset.name == "beoid"
what = "the paper's own data set" if here else f"the setting for BEOID on other data: {session.dataset.title}"
print(f"below: {what}")

# %% md
## The rows, as configurations

# %%
base = session.base("backtal")
setting = replace(base, inputs=replace(base.inputs, length=100))
parts = [session.run("basnet", {"BaS-Net": session.base("basnet")}), session.run("sfnet", {"SF-Net": session.base("sfnet")}),
         session.run("backtal", {"Baseline": backtal.baseline(setting), "BackTAL": setting, "BackTAL, own length": base})]
records = {row: found for part in parts for row, found in part.records.items()}
results = replace(parts[0], records=records).measured(protocol="activitynet")
caption = f"BackTAL Table 4, {what}. {results.provenance()}."
display(Markdown(caption + " mAP (%) a tIoU, mean ± deviation over seeds."))

# %%
tables.save_table(tables.per_tiou(results), session.path(".csv"), caption + " mAP (%) a tIoU, mean ± deviation over seeds.")

# %% md
## Beside the paper's average

# %%
reported = {"SF-Net": printed["SF-Net [11]"]["avg_10_70"], "BackTAL": printed["BackTAL"]["avg_10_70"]}
beside = tables.beside_reported(results, reported)
tables.save_table(beside, session.path("_average.csv"), caption + " Average mAP (%); the paper's is of BEOID.")

# %%
values = {row: results.values().loc[row] for row in results.records}
title, source = caption.replace(". ", ".\n", 1), "paper, on BEOID"
figure = backtal_figures.row_bars(values, title, "average mAP (%)", printed=reported, source=source)
figures.save_figure(figure, session.path(".png"))

# %% md
## Does the message hold here?

# %%
claims = {"background clicks beat action clicks": [("BackTAL", "SF-Net")], "clicks beat none": [("BackTAL", "Baseline")],
          "100 snippets are enough": [("BackTAL", "BackTAL, own length")]}
judged = messages.judge(results, claims, reported)
tables.save_table(judged, session.path("_messages.csv"), caption)

# %% md
## What twelve videos can say

The test set of BEOID has 12 videos. A single class that is right or wrong moves mAP by 1/34, 2.9 points; the printed lead is 2.4.

# %%
classes = {"BEOID": 34, session.dataset.title: len(session.dataset.classes)}
print("points of mAP that one class is worth:", {name: round(100 / n, 1) for name, n in classes.items()})

# %% md
## What differs from paper and code

* SF-Net's row is quoted from its paper. Its released code reaches about 11 instead of 3.5 at tIoU 0.7 (issue 7 of its repository), as
  much as BackTAL (11.0), and then the averages are closer than printed.
* SF-Net's printed average is over seven thresholds although four are printed; it cannot be checked.

## Exercises

1. Resize to 50 snippets instead. At which tIoU does it hurt first, and why there?
2. Add 7.5 to SF-Net's mAP@0.7 and compute its average again (the values at 0.2, 0.4 and 0.6 follow only as a sum). Who leads by how much?

# %%
print(f"Made from {sum(map(len, results.records.values()))} records. {results.provenance()}.")
