# %% md
# BackTAL, Figure 10: qualitative results

**The paper's claim.** Beside the baseline and SF-Net, BackTAL finds the instances with better borders and fewer false ones; shown for cliff diving
and tennis swing.

**Cost.** Three networks of Table 1, one seed, two videos. With the committed figure arrays: nothing.

PARAMS
# %%
import pandas as pd
from IPython.display import Markdown, display

from wtal_core.models import backtal
from wtal_core.report import backtal_figures, figures, signals, tables
from wtal_core.runs.facts import facts_of
from wtal_core.runs.session import open_session

session = open_session("backtal/figure10", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

A localization is a set of segments; how many of them to draw is a choice, and every method can be made to look clean or complete by it. So each
method is drawn at its own best point: its detections of the class above the score at which F1 is highest at tIoU 0.5, over all test videos
(`evaluation/operating_point.py`).

# %%
base = session.base("backtal")
methods = {"Baseline": ("backtal", backtal.baseline(base)), "SF-Net": ("sfnet", session.base("sfnet")),
           "BackTAL": ("backtal", base)}
about = f"{session.dataset.title} ({session.dataset.origin} data), seed 0, profile {profile}, last epoch"
limits = {name: facts_of(session, *config)[0]["f1_scores"] for name, config in methods.items()}
display(Markdown(f"BackTAL Figure 10. {about}."))

# %%
panels, lines, kept = {}, [], []
for video in session.dataset.probes:
    truth, label = signals.truth_of(session.dataset, video)
    column = session.dataset.classes.index(label)
    found = {name: signals.detections_of(session.signals(*config, video), column) for name, config in methods.items()}
    found = {name: table[table["score"] >= limits[name][column]].sort_values("t_start") for name, table in found.items()}
    panels[f"{video}, class {label}"] = (truth, found)
    kept += [table.assign(video=video, method=name) for name, table in found.items()]
    lines += [{"video": video, "class": label, "method": name, "instances": len(truth), "drawn": len(table),
               "of them tIoU ≥ 0.5": signals.hits(table, truth, 0.5), "instances found": signals.hits(truth, table, 0.5)}
              for name, table in found.items()]

# %% md
## The figure

# %%
figure = backtal_figures.detections_figure(panels, f"BackTAL Figure 10. {about}. Detections above each method's best F1 score")
figures.save_figure(figure, session.path(".png"))

# %% md
## In numbers

# %%
table = pd.DataFrame(lines).set_index(["video", "method"])
tables.save_table(table, session.path(".csv"), f"BackTAL Figure 10. {about}. Detections above each method's best F1 score.")

# %% md
## Begin and end of each drawn detection

All of them are in the saved table; here those of the second video.

# %%
segments = pd.concat(kept).round(2)[["video", "method", "t_start", "t_end", "score"]].reset_index(drop=True)
tables.save_table(segments.set_index("video"), session.path("_segments.csv"), f"BackTAL Figure 10. {about}. Seconds.")
segments[segments["video"] == session.dataset.probes[-1]].set_index(["method", "t_start"]).drop(columns="video")

# %% md
## What differs from paper and code

* The videos are chosen by rule: the test videos with most and with the median number of instances, of whatever class. The paper's are not named.
* The paper does not say above which score it draws. The best F1 is taken from the test set: right for a picture, wrong for a result.
* Suppression in "+1 seconds" keeps a long detection and the short ones inside of it; they overlap in the figure (darker).
* A score of BackTAL is a contrast plus a class probability, one of SF-Net a peak: they cannot be compared with each other.

## Exercises

1. Draw all detections instead. Which method makes most of them, and why does that not hurt its mAP?
2. Where do BackTAL's detections end: at the border, or half a snippet after it? Look at `frame_detections`.

# %%
print(f"Made from three networks, seed 0. {about}.")
