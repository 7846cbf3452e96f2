// Shows the pictures of a graph in `host`: a click unfolds a scope where it stands, or folds it again; dragging moves,
// Ctrl and the wheel (or the buttons) zoom. `packed` has a picture for each scope's unfolding: its name to deflated SVG
// in base64; "" is the first. `fills`: the picture has the window to itself, and the wheel alone zooms.
async (host, packed, fills) => {
  const unpack = async text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };
  const frame = document.createElement("div"), bar = document.createElement("div");
  frame.style.cssText = "position:relative;overflow:hidden;cursor:grab;touch-action:none;" +
    (fills ? "height:100vh" : "border:1px solid #b9c5d680;border-radius:6px");
  bar.style.cssText = "position:absolute;right:6px;top:6px;z-index:1";
  frame.append(bar);
  let picture = null, x = 0, y = 0, scale = 1, held = null, moved = false;
  const place = () => picture.style.transform = `translate(${x}px,${y}px) scale(${scale})`;
  const height = () => Math.min(640, picture.height.baseVal.value * scale + 8);
  const fit = whole => {
    scale = Math.min(1, (frame.clientWidth - 8) / picture.width.baseVal.value);
    if (whole) scale = Math.min(scale, (frame.clientHeight - (fills ? 52 : 8)) / picture.height.baseVal.value);
    x = Math.max(4, (frame.clientWidth - picture.width.baseVal.value * scale) / 2);
    y = fills ? 44 : 4;
    if (!fills && !whole) frame.style.height = `${height()}px`;
    place();
  };
  const zoom = (by, px, py) => {
    x = px - (px - x) * by;
    y = py - (py - y) * by;
    scale *= by;
    place();
  };
  const show = async (name, near) => {
    if (!(name in packed)) return;
    const before = near && near.getBoundingClientRect();
    const holder = document.createElement("div");
    holder.innerHTML = await unpack(packed[name]);
    const next = holder.querySelector("svg");
    next.style.cssText = "position:absolute;left:0;top:0;transform-origin:0 0;max-width:none";
    if (picture) picture.replaceWith(next); else frame.append(next);
    picture = next;
    if (!before) return fit();
    place();
    const same = [...picture.querySelectorAll("[data-open],[data-scope]")]
      .find(e => (e.dataset.open ?? e.dataset.scope) === (near.dataset.open ?? near.dataset.scope));
    if (!same) return fit();
    const after = same.getBoundingClientRect();
    x += before.left - after.left;
    y += before.top - after.top;
    if (!fills) frame.style.height = `${Math.max(frame.clientHeight, height())}px`;
    place();
  };
  const button = (text, title, action) => {
    const made = document.createElement("button");
    made.textContent = text;
    made.title = title;
    made.style.cssText = "margin-left:3px;min-width:26px;cursor:pointer";
    made.onclick = action;
    bar.append(made);
  };
  const middle = by => zoom(by, frame.clientWidth / 2, frame.clientHeight / 2);
  button("+", "zoom in", () => middle(1.25));
  button("\u2212", "zoom out", () => middle(0.8));
  button("\u2922", "the whole picture", () => fit(true));
  button("\u21ba", "fold everything", () => show("", null));
  frame.addEventListener("wheel", event => {
    if (!fills && !event.ctrlKey) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 500), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  frame.addEventListener("pointerdown", event => {
    held = [event.clientX - x, event.clientY - y];
    moved = false;
  });
  frame.addEventListener("pointermove", event => {
    if (!held) return;
    const [dx, dy] = [event.clientX - held[0], event.clientY - held[1]];
    moved ||= Math.abs(dx - x) + Math.abs(dy - y) > 4;
    if (moved) { x = dx; y = dy; place(); }
  });
  addEventListener("pointerup", () => held = null);
  frame.addEventListener("click", event => {
    const box = moved ? null : event.target.closest("[data-scope],[data-open]");
    if (!box) return;
    if (box.dataset.scope !== undefined) return show(box.dataset.scope, box);
    let outer = box.dataset.open;  // what was open before it: the nearest scope around it that has a picture
    do outer = outer.includes("/") ? outer.slice(0, outer.lastIndexOf("/")) : ""; while (!(outer in packed));
    if (box.dataset.open in packed) show(outer, box);
  });
  host.replaceChildren(frame);
  await show("", null);
}
