// The panel in the page: asks the kernel for changes, and draws the frames that come. It draws nothing else.

const SILENCE = 3000; // ms without a frame of a running lab, until the page says so
const ACKNOWLEDGED = 20; // frames; every twentieth is enough for the kernel to know that somebody looks
const MARGIN = { left: 80, right: 6, top: 8 }; // of the plot, in CSS pixels, like all lengths below
const DEPTH = 120;
const AXIS = 24;
const TILE = 6; // a hatch repeats after so many
const ROOM = 300; // a plot narrower than this has no room for more than two words at its time axis

function render({ model, el }) {
  const { sliders, choices, looks } = model.get("_fixed");
  const view = Math.random().toString(36).slice(2); // tells this view from others of the same lab
  const panel = document.createElement("div");
  panel.className = "pipeline-lab";
  for (const [name, colour] of Object.entries(looks.colours)) panel.style.setProperty(`--${name}`, colour);
  panel.innerHTML = `
    <div class="controls"></div>
    <div class="buttons">
      <button type="button" class="run">Start</button><button type="button" class="reset">Reset</button>
      <span class="said" role="status"></span>
    </div>
    <p class="error" role="alert" hidden></p>
    <canvas role="img" aria-label="The lab has not been started."></canvas>
    <ul class="legend" aria-label="Colours"></ul>
    <dl class="numbers"></dl>
    <p class="limit"></p>`;
  const part = (name) => panel.querySelector(`.${name}`);
  const set = (name, value) => {
    complaint = "";
    change.want(name, value);
  };
  const controls = {};
  for (const it of sliders) part("controls").append((controls[it[0]] = slider(it, set)));
  for (const it of choices) part("controls").append((controls[it[0]] = choice(it, set)));
  for (const control of panel.querySelectorAll("input, select, button")) {
    control.dataset.lmSuppressShortcuts = ""; // JupyterLab would take arrow keys for the notebook's
  }
  const press = (button) => {
    complaint = "";
    model.send({ do: button.textContent.toLowerCase() });
  };
  for (const button of panel.querySelectorAll("button")) button.onclick = () => press(button);
  const picture = new Picture(panel.querySelector("canvas"), part("legend"), looks);
  const change = new Change(model, view);

  let last = 0; // the newest frame
  let acknowledged = 0;
  let newest = null; // what it said
  let complaint = ""; // what went wrong apart from frames; until the reader does something
  let heardAt = performance.now();
  let planned = 0;

  function received(message) {
    heardAt = performance.now();
    if (!message.frame) return show("error", (complaint = message.error));
    if (message.whole) picture.clear();
    else if (message.frame !== last + 1) return model.send({ show: view }); // some have been missed
    last = message.frame;
    if (!newest) enable(true);
    newest = message;
    picture.add(message.columns);
    change.heard(message.heard);
    planned ||= requestAnimationFrame(draw);
  }

  function draw() {
    planned = 0;
    if (!newest || !picture.draw(newest)) return; // nobody can see it
    for (const [name, control] of Object.entries(controls)) {
      if (!change.pending(name)) control.put(newest.settings[name]);
    }
    show("run", newest.running ? "Stop" : "Start");
    show("said", newest.running ? "Running" : "Stopped");
    show("limit", newest.limit);
    show("error", newest.error || complaint);
    numbers(part("numbers"), newest.numbers);
    if (last - acknowledged >= ACKNOWLEDGED) model.send({ seen: (acknowledged = last) });
  }

  function show(name, text) {
    if (part(name).textContent !== text) part(name).textContent = text;
    if (name === "error") part(name).hidden = !text;
  }

  // The connection to the kernel has changed. If there is still a lab behind it, it answers with a frame.
  function parted() {
    newest = null;
    enable(false);
    show("said", "Stopped: the kernel was restarted. Run the cell again.");
    try {
      model.send({ show: view });
    } catch {
      // The connection is closed for good.
    }
  }

  function enable(able) {
    for (const control of panel.querySelectorAll("input, select, button")) control.disabled = !able;
  }

  const watch = setInterval(() => {
    if (newest?.running && performance.now() - heardAt > SILENCE) {
      show("said", "The kernel does not answer. If it was restarted, run the cell again.");
    }
    panel.querySelector("canvas").setAttribute("aria-label", newest ? described(newest) : part("said").textContent);
  }, 1000);
  const resized = new ResizeObserver(() => (planned ||= requestAnimationFrame(draw)));
  resized.observe(panel);
  model.on("msg:custom", received);
  model.on("comm_live_update", parted);
  el.append(panel);
  model.send({ show: view });
  return () => {
    clearInterval(watch);
    resized.disconnect();
    cancelAnimationFrame(planned);
    model.off("msg:custom", received);
    model.off("comm_live_update", parted);
  };
}

// Settings that are wanted: one request at a time is on its way, with the newest values.
class Change {
  constructor(model, view) {
    Object.assign(this, { model, view, wanted: {}, asked: {}, number: 0, waiting: 0 });
  }

  want(name, value) {
    this.wanted[name] = value;
    if (!this.waiting) this.ask();
  }

  ask() {
    this.asked = this.wanted;
    this.wanted = {};
    this.number += 1;
    this.model.send({ set: this.asked, change: [this.view, this.number] });
    this.waiting = setTimeout(() => this.heard([this.view, this.number]), SILENCE); // it was lost
  }

  heard(change) {
    if (change?.[0] !== this.view || change[1] !== this.number) return;
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.asked = {};
    if (Object.keys(this.wanted).length) this.ask();
  }

  pending(name) {
    return name in this.wanted || name in this.asked;
  }
}

function labelled(label) {
  const whole = document.createElement("label");
  const name = document.createElement("span");
  name.textContent = label;
  whole.append(name);
  return whole;
}

function slider([name, label, unit, spoken, stops], set) {
  const whole = labelled(label);
  const range = document.createElement("input");
  const value = document.createElement("b");
  value.ariaHidden = "true"; // it is read as the slider's own value
  Object.assign(range, { type: "range", name, min: 0, max: stops.length - 1, step: 1 });
  whole.append(value, range);
  const say = (it, unit) => (it === null ? "unbounded" : `${it}${unit}`);
  const put = (it) => {
    value.textContent = say(it, unit);
    range.setAttribute("aria-valuetext", say(it, ` ${spoken}`));
  };
  range.oninput = () => {
    put(stops[range.value]);
    set(name, stops[range.value]);
  };
  whole.put = (it) => {
    const place = it === null ? stops.length - 1 : stops.findLastIndex((stop) => stop !== null && stop <= it);
    if (+range.value !== place) range.value = place;
    if (value.textContent !== say(it, unit)) put(it);
  };
  return whole;
}

function choice([name, label, values], set) {
  const whole = labelled(label);
  const select = document.createElement("select");
  select.name = name;
  for (const value of values) select.add(new Option(value, value));
  select.onchange = () => set(name, select.value);
  whole.append(select);
  whole.put = (it) => {
    if (select.value !== it) select.value = it;
  };
  return whole;
}

function numbers(list, pairs) {
  if (list.childElementCount !== pairs.length) {
    list.replaceChildren(
      ...pairs.map(([name]) => {
        const pair = document.createElement("div");
        const [term, value] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        pair.append(term, value);
        return pair;
      }),
    );
  }
  pairs.forEach(([, value], index) => {
    const shown = list.children[index].lastChild;
    if (shown.textContent !== value) shown.textContent = value;
  });
}

function described({ settings, workers, numbers, limit, running }) {
  const bound = settings.capacity === null ? "without bound" : `of ${settings.capacity}`;
  const counts = numbers.map(([name, value]) => `${name} ${value}`).join(", ");
  const states = workers.map(([name, , state]) => `${name} ${state}`).join(", ");
  return `${running ? "Running" : "Stopped"}. Buffer ${bound}. ${counts}. ${states}. ${limit}`;
}

// Buffer and workers over the last seconds. What is past is painted once, on a strip that is as wide as the
// plot and goes round: each new column is painted over the oldest, so that a frame costs little.
class Picture {
  constructor(canvas, legend, { states, colours, window }) {
    Object.assign(this, { canvas, colours, window, states });
    this.pen = canvas.getContext("2d");
    this.strip = document.createElement("canvas");
    this.brush = this.strip.getContext("2d");
    this.clear();
    for (const { label, ...look } of this.states.filter(({ label }) => label)) {
      const item = document.createElement("li");
      const swatch = document.createElement("canvas");
      Object.assign(swatch, { width: 24, height: 12 });
      const pen = swatch.getContext("2d");
      pen.fillStyle = hatch(look, 1);
      pen.fillRect(0, 0, 24, 12);
      item.append(swatch, label);
      legend.append(item);
    }
  }

  clear() {
    this.columns = [];
    this.painted = 0;
    this.layout = "";
  }

  add(columns) {
    this.columns.push(...columns);
    const now = this.columns.at(-1)?.[0] ?? 0;
    const old = this.columns.findIndex(([end]) => end >= now - this.window);
    this.columns.splice(0, old);
    this.painted = Math.max(0, this.painted - old);
  }

  // Draws, and returns whether anybody can see it.
  draw({ settings, workers }) {
    const width = this.canvas.clientWidth;
    if (!width) return false;
    const names = workers.map(([name]) => name);
    const deepest = Math.max(1, ...this.columns.map(([, , high]) => high));
    // Without a bound in round steps, so that the scale does not change with every item.
    const top = settings.capacity === null ? nice(deepest) : Math.max(settings.capacity, deepest);
    const layout = JSON.stringify([width, devicePixelRatio, names, top]);
    if (layout !== this.layout) {
      this.layout = layout;
      this.lay(width, names, top);
    }
    for (; this.painted < this.columns.length; this.painted += 1) this.paint(this.painted);
    this.compose(settings.capacity);
    return true;
  }

  // Give everything its place. Lengths are device pixels from here on, so that the strip moves by whole ones.
  lay(width, names, top) {
    const dot = devicePixelRatio;
    const lane = Math.max(10, Math.min(20, Math.floor(160 / names.length)));
    const height = MARGIN.top + DEPTH + AXIS + lane * names.length + 4;
    const plot = Math.floor(((width - MARGIN.left - MARGIN.right) * dot) / TILE) * TILE;
    Object.assign(this, { dot, names, top, plot, lane: lane * dot, depth: DEPTH * dot });
    this.lanes = DEPTH * dot + AXIS * dot;
    this.scale = plot / this.window;
    Object.assign(this.canvas, { width: width * dot, height: height * dot });
    this.canvas.style.height = `${height}px`;
    Object.assign(this.strip, { width: plot, height: height * dot });
    this.hatches = this.states.map((look) => hatch(look, dot));
    this.painted = this.edge = 0;
  }

  paint(index) {
    const [end, low, high, capacity, shares] = this.columns[index];
    const begin = index ? this.columns[index - 1][0] : Math.max(0, end - 0.05);
    const from = Math.floor(begin * this.scale);
    const length = Math.max(1, Math.floor(end * this.scale) - from);
    const place = from % this.plot;
    this.edge = from + length;
    // A column that reaches over the strip's end goes on at its beginning.
    for (const x of place + length > this.plot ? [place, place - this.plot] : [place]) {
      this.box(this.colours.card, x, 0, length, this.strip.height);
      this.box(this.colours.level, x, this.y(high), length, this.depth - this.y(high));
      this.box(this.colours.depth, x, this.y(high), length, this.y(low) - this.y(high) + 2 * this.dot);
      if (capacity !== null) this.box(this.colours.alarm, x, this.y(capacity) - this.dot, length, this.dot);
      this.names.forEach((name, row) => this.bar(shares[name] ?? [], x, length, row));
    }
  }

  bar(shares, x, length, row) {
    const height = this.lane - 2 * this.dot;
    let y = this.lanes + row * this.lane + this.dot;
    shares.forEach((share, state) => {
      const part = share && Math.max(this.dot, (height * share) / 100);
      this.box(this.hatches[state], x, y, length, part);
      y += part;
    });
  }

  box(fill, x, y, width, height) {
    this.brush.fillStyle = fill;
    this.brush.fillRect(x, y, width, height);
  }

  y(depth) {
    return Math.round(this.depth * (1 - depth / (1.1 * this.top)));
  }

  compose(capacity) {
    const { pen, dot, plot, colours } = this;
    const [left, up] = [MARGIN.left * dot, MARGIN.top * dot];
    pen.fillStyle = colours.card;
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const oldest = this.edge % plot;
    pen.drawImage(this.strip, oldest, 0, plot - oldest, this.strip.height, left, up, plot - oldest, this.strip.height);
    if (oldest) pen.drawImage(this.strip, 0, 0, oldest, this.strip.height, left + plot - oldest, up, oldest, this.strip.height);
    pen.fillStyle = colours.border;
    pen.fillRect(left, up + this.depth, plot, dot);
    pen.font = `${11 * dot}px ${getComputedStyle(this.canvas).fontFamily}`;
    pen.textBaseline = "middle";
    this.write("0", left - 6 * dot, up + this.depth, "right");
    const bound = capacity === null ? `${this.top}` : `capacity ${capacity}`;
    this.write(bound, left - 6 * dot, up + this.y(capacity ?? this.top), "right");
    for (let ago = this.window; ago >= 0; ago -= plot < ROOM * dot ? this.window : 10) {
      const x = left + plot - ago * this.scale;
      const align = ago === this.window ? "left" : ago ? "center" : "right";
      this.write(ago ? `${ago} s ago` : "now", x, up + this.depth + 13 * dot, align);
    }
    this.names.forEach((name, row) => {
      this.write(name, left - 6 * dot, up + this.lanes + (row + 0.5) * this.lane, "right");
    });
  }

  write(text, x, y, align) {
    this.pen.fillStyle = this.colours.ink;
    this.pen.textAlign = align;
    this.pen.fillText(text, x, y);
  }
}

// The next of 1, 2, 5, 10, 20, … that is not less.
function nice(value) {
  const decade = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * decade >= value) * decade;
}

// The fill of a state: its colour, and the marks that tell it from others in grey.
function hatch({ face, mark, tile }, dot) {
  const size = Math.round(TILE * dot);
  const square = document.createElement("canvas");
  Object.assign(square, { width: size, height: size });
  const pen = square.getContext("2d");
  pen.fillStyle = face;
  pen.fillRect(0, 0, size, size);
  pen.fillStyle = mark;
  const rows = tile.split("|");
  for (let y = 0; y < TILE; y += 1) {
    const row = rows[y % rows.length];
    for (let x = 0; x < TILE; x += 1) {
      if (row[x % row.length] === "#") pen.fillRect(x * dot, y * dot, dot, dot);
    }
  }
  return pen.createPattern(square, "repeat");
}

export default { render };
