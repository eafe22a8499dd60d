// The page: one content, read once, and every part of it drawn.

const content = JSON.parse(document.getElementById("content").textContent);
const part = (name) => document.getElementById(name);
// kinds of detections by name, and what no detection matched
const kinds = new Map(content.timeline.kinds.map((kind) => [kind.name, kind]));
kinds.set(NOT_FOUND, { mark: "NF", colour: null });

showScores(part("score-table"), content);
if (content.paired) showPaired(part("paired-table"), content);
showKinds(part("kind-table"), content, kinds);
showClasses(part("class-table"), content);
showConfusion(part("confusion-matrix"), content);
showCurves(part("curve-figure"), content);

const list = new ErrorList(part("error-list"), content, kinds, (address) => {
  if (location.hash !== address) history.pushState(null, "", address);
  timeline.openAddress();
});
const timeline = mountTimeline(part("timeline"), content.timeline, {
  concernedOnly: true,
  onChoice: () => list.forget(),
});
