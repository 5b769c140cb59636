// The player in the page: shows what the kernel says of the game, and sends what the reader does.

const NOTHING = "nothing more to do"; // for a thread that has ended
const SILENCE = 3000; // ms without an answer, until the page says so: a search may take its time

function render({ model, el }) {
  const { colours } = model.get("_fixed");
  const panel = document.createElement("section");
  panel.className = "schedule-player";
  panel.setAttribute("aria-label", "Schedule player: you choose which thread goes next");
  panel.tabIndex = -1;
  for (const [state, colour] of Object.entries(colours)) panel.style.setProperty(`--${state}`, colour);
  panel.innerHTML = `
    <p class="goal"></p>
    <div class="threads"></div>
    <p class="said" role="status"></p>
    <p class="error" role="alert"></p>
    <div class="values"><h4>Shared values, as last seen</h4><ul></ul></div>
    <div class="printed"><h4>Printed</h4><pre></pre></div>
    <form class="schedule">
      <label>Schedule so far <input name="schedule" spellcheck="false" autocomplete="off"
        data-lm-suppress-shortcuts></label>
      <button type="submit">Go there</button><button type="button" class="copy">Copy</button>
    </form>
    <div class="buttons">
      <button type="button" data-do="undo">Undo <kbd>u</kbd></button>
      <button type="button" data-do="again">Start again</button>
      <button type="button" data-do="chance">Keep going at random</button>
      <button type="button" data-do="fail">Show me a failing schedule</button>
      <button type="button" data-do="forward">Next step of it <kbd>n</kbd></button>
    </div>`;
  const part = (name) => panel.querySelector(`.${name}`);
  const button = (name) => panel.querySelector(`[data-do="${name}"]`);
  const input = panel.querySelector("input");
  const columns = new Map(); // by the thread's number
  let shown = null; // the newest view
  let unanswered = 0;
  let late = 0;

  function ask(message) {
    unanswered += 1;
    clearTimeout(late);
    late = setTimeout(() => put(part("said"), "The kernel has not answered yet."), SILENCE);
    model.send(message);
  }

  function received({ view, error }) {
    unanswered = Math.max(0, unanswered - 1); // all pages that show the player get all answers
    if (!unanswered) clearTimeout(late);
    put(part("error"), error);
    if (view) show(view);
  }

  function show(view) {
    const focused = panel.contains(document.activeElement) ? document.activeElement : null;
    shown = view;
    put(part("goal"), view.goal);
    part("goal").classList.toggle("reached", view.reached);
    for (const [number, column] of columns) {
      if (view.threads.some((thread) => thread.number === number)) continue;
      column.whole.remove();
      columns.delete(number);
    }
    for (const thread of view.threads) {
      if (!columns.has(thread.number)) {
        const column = new Column(ask);
        columns.set(thread.number, column);
        part("threads").append(column.whole);
      }
      columns.get(thread.number).show(thread);
    }
    put(part("said"), view.said);
    part("said").dataset.outcome = view.outcome;
    values(part("values"), view.values);
    part("printed").hidden = !view.output;
    put(panel.querySelector("pre"), view.output);
    put(part("copy"), "Copy");
    if (input.dataset.shown !== view.schedule) input.value = input.dataset.shown = view.schedule;
    enable(button("undo"), view.steps > 0);
    enable(button("again"), view.steps > 0);
    enable(button("chance"), !view.outcome);
    enable(button("fail"), true);
    enable(button("forward"), view.ahead > 0);
    button("forward").hidden = !view.ahead;
    // What goes away must not take the focus with it: the reader's next key would be lost.
    if (focused && (focused.hidden || !focused.isConnected)) {
      const near = focused.closest("article")?.querySelector(".go") ?? button("fail");
      (near.isConnected ? near : panel).focus();
    }
  }

  panel.addEventListener("click", (event) => {
    const { do: what } = event.target.closest("button")?.dataset ?? {};
    if (what && isEnabled(button(what))) ask({ do: what });
  });
  part("schedule").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ do: "follow", schedule: input.value });
  });
  part("copy").addEventListener("click", async () => {
    input.select();
    try {
      await navigator.clipboard.writeText(input.value);
    } catch {
      document.execCommand("copy"); // where the page may not use the clipboard by itself
    }
    put(part("copy"), "Copied");
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // JupyterLab lets no Enter through to the form
    part("schedule").requestSubmit();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // keys are for the threads: "d d" would delete the notebook's cell
    if (event.target === input) return;
    const [, digit] = (event.shiftKey && /^Digit(\d)$/.exec(event.code)) || []; // with shift its key is no digit
    const thread = shown?.threads.find(({ key }) => key && (key === event.key || key === digit));
    const column = thread && columns.get(thread.number);
    const pressed = column ? (thread.key === event.key ? column.go : column.expire) : null;
    const others = { u: "undo", n: "forward" };
    const chosen = pressed ?? (others[event.key] && button(others[event.key]));
    if (!chosen) return;
    event.preventDefault();
    if (isEnabled(chosen) && !event.repeat) chosen.click(); // a key that is held down is one step
  });

  function parted() {
    for (const it of panel.querySelectorAll("[data-do], article button")) enable(it, false);
    put(part("error"), "The kernel was restarted: run the cell again.");
    try {
      ask({ do: "show" }); // an answer, if one comes, puts all in order again
    } catch {
      // The connection is closed for good.
    }
    clearTimeout(late);
  }

  const resized = new ResizeObserver(() => columns.forEach((column) => column.reveal())); // codes are lower now
  resized.observe(panel);
  model.on("msg:custom", received);
  model.on("comm_live_update", parted);
  el.append(panel);
  ask({ do: "show" });
  return () => {
    clearTimeout(late);
    resized.disconnect();
    model.off("msg:custom", received);
    model.off("comm_live_update", parted);
  };
}

// One thread: what it does next, and its code.
class Column {
  constructor(ask) {
    this.whole = document.createElement("article");
    this.whole.innerHTML = `
      <h4><b></b> <span></span></h4>
      <button type="button" class="go"><kbd></kbd><span></span></button>
      <button type="button" class="expire" hidden>Let the timeout fire <kbd></kbd></button>
      <p class="state"></p>
      <div class="code"></div>`;
    for (const name of ["go", "expire", "state", "code"]) this[name] = this.whole.querySelector(`.${name}`);
    this.go.onclick = () => isEnabled(this.go) && ask({ do: "choose", thread: this.number, expire: false });
    this.expire.onclick = () => isEnabled(this.expire) && ask({ do: "choose", thread: this.number, expire: true });
    this.functions = "";
  }

  show(thread) {
    const { number, letter, name, key, state, does, says, can, can_expire, functions, at, chosen } = thread;
    this.number = number;
    this.whole.dataset.state = state;
    this.whole.classList.toggle("chosen", chosen);
    this.whole.setAttribute("aria-label", name);
    put(this.whole.querySelector("h4 b"), letter);
    put(this.whole.querySelector("h4 span"), name);
    put(this.go.firstChild, key);
    put(this.go.lastChild, does || NOTHING);
    this.go.setAttribute("aria-label", `${name}: ${does || NOTHING}`);
    enable(this.go, can);
    put(this.expire.querySelector("kbd"), key && `⇧${key}`);
    this.expire.hidden = !can_expire;
    enable(this.expire, can_expire);
    this.expire.setAttribute("aria-label", `${name}: let the timeout fire`);
    put(this.state, says);
    const source = JSON.stringify(functions);
    if (source !== this.functions) {
      this.functions = source;
      this.code.replaceChildren(...functions.map(listing));
    }
    [...this.code.children].forEach((list, place) => {
      for (const row of list.children) {
        const here = at !== null && place === at[0] && row.value === at[1];
        row.classList.toggle("here", here);
        if (!here) {
          row.removeAttribute("aria-current");
          continue;
        }
        row.setAttribute("aria-current", "step");
      }
    });
    this.reveal();
  }

  // Scroll to the line that is marked: only its own column, the page stays where it is.
  reveal() {
    const row = this.code.querySelector(".here");
    if (!row) return;
    const [top, height] = [row.offsetTop - this.code.offsetTop, this.code.clientHeight];
    if (top < this.code.scrollTop || top > this.code.scrollTop + height - row.offsetHeight) {
      this.code.scrollTop = top - height / 2;
    }
  }
}

function listing({ first, lines }) {
  const list = document.createElement("ol");
  list.start = first;
  lines.forEach((line, index) => {
    const row = document.createElement("li");
    row.value = first + index;
    row.textContent = line || " ";
    list.append(row);
  });
  return list;
}

function values(part, all) {
  part.hidden = !all.length;
  part.querySelector("ul").replaceChildren(
    ...all.map(([name, value, before]) => {
      const item = document.createElement("li");
      item.textContent = before === null ? `${name} = ${value}` : `${name} = ${before} → ${value}`;
      item.classList.toggle("changed", before !== null);
      return item;
    }),
  );
}

// Not `disabled`: a button that the reader has just pressed must keep the focus.
function enable(button, yes) {
  button.setAttribute("aria-disabled", `${!yes}`);
}

function isEnabled(button) {
  return button.getAttribute("aria-disabled") !== "true" && !button.hidden;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export default { render };
