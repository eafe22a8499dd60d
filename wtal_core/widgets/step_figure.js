
// What follows joins a figure to a notebook with a kernel: Python sees where its sliders are.

function render({ model, el }) {
  const drawing = document.createElement("div");
  el.classList.add("wtal-steps");
  el.append(drawing);
  return mountSteps(drawing, model.get("content"), (places) => {
    model.set("places", places);
    model.save_changes();
  });
}

export default { render };
