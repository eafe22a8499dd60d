# %% md
# BackTAL, Table 9: how many neighbours the affinity module sees

**The paper's claim.** Three neighbours (the snippet itself and one on each side) are enough: with h = 5, 7 and 9 the result falls a little, from 36.3 to
36.1, 36.0 and 35.8.

**Cost.** 8 configurations × 5 seeds; h = 3 is the full model of the other tables. With the committed records: nothing.

# %% tags=parameters
dataset: str = "simulated"  # data set, see `wtal data list`
profile: str = "quick"  # quick or paper
seeds: int = 5  # number of seeds, 0 to n - 1
device: str = "cpu"  # cpu, cuda or auto
store: str = ""  # results folder; "" is the committed one
jobs: int = 1  # runs at a time

# %%
import pandas as pd
from IPython.display import Markdown, display

from wtal_core.models import backtal
from wtal_core.report import figures, messages, papers, tables
from wtal_core.runs.session import open_session

session = open_session("backtal/table9", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

The affinity $a[i,t]=\cos(e_t,e_{t+i-\lfloor h/2\rfloor})$ can reach further than one neighbour. The text gives two ways. "We keep
the same value between $h$ and the size of the kernel":

$$f_t=\sum_{i<h}H[i]\,x_{t+i-\lfloor h/2\rfloor}\,a[i,t]\tag{modulate}$$

"Alternatively, we can first calculate the weighted sum of $h$ neighbouring frames, then perform the temporal convolution":

$$\tilde x_t=\sum_{i<h}a[i,t]\,x_{t+i-\lfloor h/2\rfloor},\qquad f_t=\sum_{i<3}H[i]\,\tilde x_{t+i-1}\tag{presum}$$

The first has more weights the larger $h$ is, the second as many as with $h=3$.

# %% md
## The rows, as configurations

Four values of h in both readings. Which of them the printed numbers belong to is not written; they stand beside both.

# %%
base = session.base("backtal")
rows = backtal.rows(9, base)
reported = {row["method"]: row["v"][-1] for row in papers.reported_rows("backtal/table9")}
reported |= {f"{row}, summed before": value for row, value in list(reported.items())}
tables.settings(rows)

# %% md
## The runs

What the store lacks is computed now; what is there is only read. The metric is the paper's: mAP at tIoU 0.5, by the ActivityNet
toolkit, as the official code has it.

# %%
results = session.run("backtal", rows).measured(0.5, protocol="activitynet")
caption = f"BackTAL Table 9. {results.provenance()}. {results.metric} (%). `reported` is the paper's, on THUMOS14."
display(Markdown(caption))

# %%
tables.save_table(tables.beside_reported(results, reported), session.path(".csv"), caption)

# %% md
All tIoUs, and their average:

# %%
tables.save_table(tables.per_tiou(results), session.path("_tious.csv"), caption + " mAP (%) a tIoU, mean ± deviation over seeds.")

# %%
windows = [3, 5, 7, 9]
notes = {"kernel of size h (modulate)": "", "summed before (presum)": ", summed before"}
here = {name: results.values().loc[[f"h = {h}{note}" for h in windows]].set_axis(windows) for name, note in notes.items()}
label, paper = "neighbours h (snippets)", pd.Series([reported[f"h = {h}"] for h in windows], index=windows)
title = f"BackTAL Table 9. {results.provenance()}"
figures.save_figure(figures.sweeps({label: here}, {label: paper}, title, f"{results.metric} (%)"), session.path(".png"))

# %% md
## Do the paper's messages hold here?

Every comparison is paired by seed. *holds*: the 95 % interval of the difference lies above 0. *reversed*: below. *open*: it contains 0,
or there are fewer than five seeds. The paper says: no improvement from 3 to 9. A *reversed* line would speak against it; *open* does not.

# %%
claims = {
    "h = 3 is best, kernel of size h": [("h = 3", f"h = {h}") for h in windows[1:]],
    "h = 3 is best, summed before": [("h = 3, summed before", f"h = {h}, summed before") for h in windows[1:]],
    "not in the paper: a kernel of size h beats summing before":
        [(f"h = {h}", f"h = {h}, summed before") for h in windows],
}
judged = tables.save_table(messages.judge(results, claims, reported), session.path("_messages.csv"), caption)
judged

# %%
messages.count(judged)

# %% md
## What differs from paper and code

* The official code supports h = 3 only. Its layout (a group of channels a neighbour, see Table 7) is generalised here to h groups in
  "modulate"; "presum" has no layout.
* With h = 3 the two readings are different networks: only "modulate" with h = 3 is BackTAL.
* The paper's numbers are means of three runs, one for each annotator's file of THUMOS14; here a run with seed *s* sees file *s* modulo
  their number (`inputs.annotator = "seed"`). A data set with simulated clicks has one file.
* Selection: the last epoch is the result. `best on test` looks at the test set, as the official code does, and is only shown; it is the
  epoch of the highest average mAP by the data set's own protocol.

## Exercises

1. How many weights does the first convolution have for each h, in each reading? Is "more context" told apart from "more weights"?
2. In "presum" with h = 3 and all affinities 1, how many snippets does $f_t$ see?
3. Repeat the first reading with `layout = "paper_eq15"`.

# %%
different = {record.folder for records in results.records.values() for record in records}
print(f"Made from {len(different)} records. {results.provenance()}, {results.metric}.")
