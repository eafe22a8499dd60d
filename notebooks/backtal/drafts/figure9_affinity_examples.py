# %% md
# BackTAL, Figure 9: more examples of learned affinity

**The paper's claim.** In several videos, the learned affinity is high between snippets of the same kind and low between action and background.

**Cost.** The full model of Table 7, one seed, two videos. With the committed figure arrays: nothing.

PARAMS
# %%
import pandas as pd
from IPython.display import Image, Markdown, display

from wtal_core.report import backtal_figures, figures, signals, tables
from wtal_core.runs.facts import WINDOW
from wtal_core.runs.session import open_session

session = open_session("backtal/figure9", dataset, profile, seeds, device, store, jobs)

# %% md
## The idea

As Figure 5: the cosine $a(t_0,\delta)$ of a snippet's embedding with those around it (Eq. 9). More snippets of more videos, and those that are
not nice stay in.

# %%
config = session.base("backtal")
about = f"{session.dataset.title} ({session.dataset.origin} data), seed 0, profile {profile}, last epoch"
display(Markdown(f"BackTAL Figure 9. {about}."))

# %% md
## The chosen snippets

The middles of the three longest runs of action, and of background, in each of the two videos that are shown in all figures.

# %%
drawn = {}
for number, video in enumerate(session.dataset.probes):
    kind, embedding = signals.inside(session.dataset, video), session.signals("backtal", config, video)["e"]
    drawn[video] = [backtal_figures.neighbourhood(name, embedding, kind, snippet, WINDOW)
                    for name, snippet in backtal_figures.examples(session.dataset, video, 3)]
    caption = f"BackTAL Figure 9, {video}. {about}"
    figure = backtal_figures.affinity_figure(drawn[video], session.dataset.timebase, caption)
    figures.save_figure(figure, session.path(f"_{number + 1}.png"))

# %%
Image(str(session.path("_1.png")))

# %%
Image(str(session.path("_2.png")))

# %% md
## In numbers

Mean cosine with the neighbours up to 8 snippets away; a dash where there are none of the other kind.

# %%
lines = {(video, one.name): {"time (s)": f"{session.dataset.timebase.seconds(one.snippet + 0.5):.1f}",
                             "same kind": f"{backtal_figures.mean_similarity(one, True):.2f}",
                             "other kind": f"{backtal_figures.mean_similarity(one, False):.2f}".replace("nan", "–")}
         for video, shown in drawn.items() for one in shown}
table = pd.DataFrame(lines).T
table.index.names = ["video", "snippet"]
tables.save_table(table, session.path(".csv"), f"BackTAL Figure 9. {about}. Mean cosine with neighbours up to {WINDOW} away.")

# %%
mean = backtal_figures.mean_similarity
pairs = [(mean(one, True), mean(one, False)) for shown in drawn.values() for one in shown]
both = [(own, other) for own, other in pairs if own == own and other == other]         # not-a-number is unlike itself
higher = [own > other for own, other in both]
print(f"of {len(both)} snippets that have neighbours of both kinds, {sum(higher)} are on average more like their own kind")

# %% md
## What differs from paper and code

* Videos and snippets are chosen by rule, before any result; the paper's are the authors' choice.
* In the middle of a long run all neighbours are of the same kind: such a panel shows constancy only. Figure 5 has the numbers over all pairs.

## Exercises

1. Choose the snippet next to a border instead. Does the similarity drop at the border, or before it?
2. Which of the panels would the paper have shown?

# %%
print(f"Made from one network, seed 0. {about}.")
