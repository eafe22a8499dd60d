function mountTimeline(root, content) { root.textContent = content.title; }
