
// What follows joins the timeline above to a notebook: marks go to Python, video files come from it.

const isDark = () => document.body.dataset.jpThemeLight === "false";

function askFor(model, video) {
  return new Promise((resolve) => {
    const answered = (message, buffers) => {
      if (message.video !== video.name) return;
      model.off("msg:custom", answered);
      const blob = buffers?.length ? new Blob([buffers[0]], { type: message.type }) : null;
      resolve({ address: blob && URL.createObjectURL(blob), refused: message.refused });
    };
    model.on("msg:custom", answered);
    model.send({ video: video.name });
  });
}

function render({ model, el }) {
  const root = document.createElement("div");
  el.append(root);
  if ("jpThemeLight" in document.body.dataset) root.style.colorScheme = isDark() ? "dark" : "light";
  const addresses = new Map(); // of files that have come already
  mountTimeline(root, model.get("content"), {
    inNotebook: true,
    marks: { clicks: model.get("clicks"), segments: model.get("segments") },
    async addressOf(video) {
      if (!video.file) return null;
      if (!addresses.has(video.name)) addresses.set(video.name, await askFor(model, video));
      const { address, refused } = addresses.get(video.name);
      if (refused) this.tell(refused);
      return address;
    },
    onMarks(rows) {
      model.set("clicks", rows.clicks);
      model.set("segments", rows.segments);
      model.save_changes();
    },
  });
  return () => addresses.forEach(({ address }) => address && URL.revokeObjectURL(address));
}

export default { render };
