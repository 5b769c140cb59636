"""The player in JupyterLab: a reader chooses, with mouse and keys, and sees what comes of it."""

from __future__ import annotations

import re
from textwrap import dedent

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Locator, expect

from helpers.course.refresh import METADATA
from tests.browser.jupyterlab import NOTEBOOK, JupyterLab, Notebook

CELLS = (
    """
    from threading import Lock, Thread
    from helpers.schedules import every_schedule, play

    def two_increments():
        counter = 0

        def add():
            nonlocal counter
            counter += 1

        threads = [Thread(target=add), Thread(target=add)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counter == 2, "an update was lost"

    def transfers():
        checking, savings = Lock(), Lock()

        def there():
            with checking, savings:
                pass

        def back():
            with savings, checking:
                pass

        threads = [Thread(target=there), Thread(target=back)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """,
    "play(two_increments, goal='lost update')",
    "play(transfers, goal='deadlock')",
    """
    player = every_schedule(two_increments).play()
    player
    """,
    """
    import time
    deadline = time.monotonic() + 60
    while player.game.view()["schedule"] != "A B" and time.monotonic() < deadline:
        time.sleep(0.05)
    """,
    """
    from threading import Event

    def a_patient_thread_with_a_long_name():
        done = Event()

        def a_function_whose_name_has_so_many_words_that_it_is_wider_than_its_column():
            done.wait(1)

        threads = [
            Thread(target=a_function_whose_name_has_so_many_words_that_it_is_wider_than_its_column),
            Thread(target=done.set),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    play(a_patient_thread_with_a_long_name)
    """,
)


@pytest.fixture(scope="module")
def notebook(jupyterlab: JupyterLab, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    cells = [v4.new_code_cell(dedent(cell).strip()) for cell in CELLS]
    path = tmp_path_factory.mktemp("player") / "player.ipynb"
    nbformat.write(v4.new_notebook(cells=cells, metadata=METADATA), path)
    notebook = jupyterlab.open(path)
    for number in (0, 1, 2, 3, 5):
        notebook.run(number)
    return notebook


class Panel:
    """A player in the page."""

    def __init__(self, output: Locator) -> None:
        self.whole = output.locator(".schedule-player")
        expect(self.whole.locator("article").first).to_be_visible()
        self.said = self.whole.locator(".said")
        self.error = self.whole.locator(".error")
        self.schedule = self.whole.get_by_label("Schedule so far")
        self.page = self.whole.page

    def thread(self, name: str) -> Locator:
        return self.whole.get_by_role("article", name=name)

    def go(self, name: str) -> Locator:
        return self.thread(name).locator(".go")

    def button(self, name: str) -> Locator:
        return self.whole.get_by_role("button", name=name)

    def again(self) -> None:
        if self.schedule.input_value():
            self.button("Start again").click()
        expect(self.schedule).to_have_value("")


ONE, OTHER = "Thread-1", "Thread-2"


def test_an_update_is_lost_by_mouse(notebook: Notebook) -> None:
    panel = Panel(notebook.output(1))
    expect(panel.whole.locator(".goal")).to_have_text("Make it lose an update.")
    for name in (ONE, OTHER):
        expect(panel.go(name)).to_contain_text("read counter")
        expect(panel.thread(name).locator("[aria-current=step]")).to_contain_text("counter += 1")
        panel.go(name).click()
        expect(panel.go(name)).to_contain_text("write counter")
    panel.go(ONE).click()
    expect(panel.whole.locator(".changed")).to_have_text("counter = 0 → 1")
    panel.go(OTHER).click()
    expect(panel.said).to_contain_text("an update was lost")
    expect(panel.whole.locator(".goal")).to_have_class("goal reached")
    panel.again()
    expect(panel.whole.locator(".goal")).to_have_class("goal")


def test_a_deadlock_is_reached_by_keys_alone(notebook: Notebook) -> None:
    panel = Panel(notebook.output(2))
    keys = panel.page.keyboard
    panel.go(ONE).focus()
    keys.press("1")
    expect(panel.said).to_contain_text("1. ")
    expect(panel.go(ONE)).to_contain_text("acquire savings")
    keys.press("2")
    expect(panel.said).to_contain_text("checking")
    for name, lock, holder in ((ONE, "savings", OTHER), (OTHER, "checking", ONE)):
        expect(panel.go(name)).to_have_attribute("aria-disabled", "true")
        expect(panel.thread(name).locator(".state")).to_contain_text(f"waits for {lock}, held by {holder}")
    expect(panel.go(ONE)).to_be_focused()  # though it can do nothing now
    keys.press("1")  # so that nothing happens
    keys.press("u")
    expect(panel.go(OTHER)).to_have_attribute("aria-disabled", "false")
    types = panel.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets.map(it => it.model.type)"
    )
    assert set(types) == {"code"}  # the notebook's own keys, 1 and 2 among them, were not meant


def test_keys_go_on_to_work_when_the_thread_of_the_focused_button_has_ended(notebook: Notebook) -> None:
    panel = Panel(notebook.output(1))
    panel.again()
    keys = panel.page.keyboard
    panel.go(ONE).focus()
    for key, said in (("1", "read counter = 0"), ("1", "write counter = 1"), ("2", "3. "), ("2", "4. ")):
        keys.press(key)
        expect(panel.said).to_contain_text(said)
    expect(panel.go(ONE)).to_be_focused()
    expect(panel.go(ONE)).to_contain_text("nothing more to do")
    keys.press("u")
    expect(panel.said).to_have_text("The last step is taken back.")


def test_no_key_of_the_notebook_is_meant_in_the_player(notebook: Notebook) -> None:
    panel = Panel(notebook.output(1))
    panel.again()
    count = f"{NOTEBOOK}.content.widgets.length"
    before = panel.page.evaluate(count)
    for key in ("d", "d", "b", "b", "m", "9"):  # with the notebook they delete, insert and change cells
        panel.go(OTHER).focus()
        panel.page.keyboard.press(key)
    panel.page.keyboard.press("2")
    expect(panel.schedule).to_have_value("B")
    assert panel.page.evaluate(count) == before
    types = panel.page.evaluate(f"{NOTEBOOK}.content.widgets.map(it => it.model.type)")
    assert set(types) == {"code"}


def test_a_key_that_is_held_down_is_one_step(notebook: Notebook) -> None:
    panel = Panel(notebook.output(1))
    panel.again()
    panel.go(ONE).focus()
    for _ in range(3):
        panel.page.keyboard.down("1")
    panel.page.keyboard.up("1")
    panel.page.keyboard.press("2")  # answered after all that were asked before
    expect(panel.schedule).to_have_value("A B")


def test_the_timeout_fires_by_a_key_with_shift(notebook: Notebook) -> None:
    panel = Panel(notebook.output(5))
    fire = panel.thread(ONE).get_by_role("button", name="let the timeout fire")
    panel.go(ONE).click()
    expect(fire).to_contain_text("⇧1")
    fire.focus()
    panel.page.keyboard.press("Shift+Digit1")
    expect(panel.said).to_contain_text("(timeout)")
    expect(fire).to_be_hidden()
    expect(panel.go(ONE)).to_be_focused()  # and not the page, where keys are the notebook's


def test_every_button_is_reached_by_tab_and_can_be_seen_to_be(notebook: Notebook) -> None:
    panel = Panel(notebook.output(2))
    panel.whole.focus()
    reached = []
    for _ in range(20):
        panel.page.keyboard.press("Tab")
        if not panel.whole.evaluate("it => it.contains(document.activeElement)"):
            break
        name, kind, outline = panel.page.evaluate(
            """() => {
                const it = document.activeElement;
                return [it.ariaLabel || it.textContent, it.tagName, getComputedStyle(it).outlineStyle];
            }"""
        )
        assert outline == "solid", name
        if kind == "BUTTON":  # listings that are to be scrolled are reached too
            reached.append(name)
    buttons = panel.whole.locator("button:visible")
    assert reached == buttons.evaluate_all("all => all.map(it => it.ariaLabel || it.textContent)")
    assert len(reached) >= 8


def test_a_failing_schedule_is_shown_step_by_step(notebook: Notebook) -> None:
    panel = Panel(notebook.output(3))
    following = panel.button("Next step of it")
    expect(following).to_be_hidden()
    panel.button("Show me a failing schedule").click()
    expect(panel.said).to_contain_text("This one fails, in 4 steps")
    following.click()
    expect(panel.said).to_contain_text("1. ")
    for step in ("2. ", "3. ", "4. "):
        panel.page.keyboard.press("n")
        expect(panel.said).to_contain_text(step)
    expect(panel.said).to_contain_text("an update was lost")
    expect(following).to_be_hidden()
    panel.button("Show me a failing schedule").click()
    for _ in range(4):
        following.click()
    expect(following).to_be_hidden()
    expect(panel.button("Show me a failing schedule")).to_be_focused()


def test_a_schedule_is_typed_in_and_what_is_none_is_refused(notebook: Notebook) -> None:
    panel = Panel(notebook.output(3))
    panel.again()
    panel.schedule.fill("A B")
    panel.schedule.press("Enter")
    expect(panel.said).to_contain_text("2. Thread-2 (add): read counter = 0.")
    for none, why in (
        ("A 7 B", "is no schedule"),
        ("A Q", "Step 2 of this schedule, Q, is not possible there."),
    ):
        panel.schedule.fill(none)
        panel.button("Go there").click()
        expect(panel.error).to_contain_text(why)
    expect(panel.said).to_contain_text("2. Thread-2")
    panel.go(ONE).click()
    expect(panel.error).to_be_hidden()
    expect(panel.schedule).to_have_value("A B A")


def test_chance_goes_on_to_the_end_and_the_schedule_can_be_copied(notebook: Notebook) -> None:
    panel = Panel(notebook.output(3))
    panel.again()
    panel.button("Keep going at random").click()
    expect(panel.said).to_contain_text("Thread-")
    expect(panel.said).to_have_attribute("data-outcome", re.compile("ended|failed"))
    schedule = panel.schedule.input_value()
    assert schedule
    expect(panel.button("Keep going at random")).to_have_attribute("aria-disabled", "true")
    panel.button("Copy").click()
    expect(panel.button("Copied")).to_be_visible()
    panel.schedule.fill("")
    panel.schedule.press("Control+v")
    expect(panel.schedule).to_have_value(schedule)


def test_it_answers_while_a_cell_runs(notebook: Notebook) -> None:
    panel = Panel(notebook.output(3))
    panel.again()
    panel.go(ONE).click()
    expect(panel.schedule).to_have_value("A")
    notebook.begin(4)
    assert notebook.runs(4)
    panel = Panel(notebook.output(3))
    panel.go(OTHER).click()
    expect(panel.schedule).to_have_value("A B")
    notebook.wait_until_ended(4)  # it has seen that too


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1200, 600])
def test_it_fits_the_page_and_can_be_read(
    theme: str, width: int, notebook: Notebook, jupyterlab: JupyterLab
) -> None:
    jupyterlab.command("apputils:change-theme", theme=theme)
    jupyterlab.page.set_viewport_size({"width": width, "height": 1000})
    notebook.wait_until(f"document.body.dataset.jpThemeName === {theme!r}")
    panel = Panel(notebook.output(2))
    panel.again()
    panel.go(ONE).click()
    expect(panel.schedule).to_have_value("A")
    wide, needed = panel.whole.evaluate("it => [it.clientWidth, it.scrollWidth]")
    assert needed <= wide
    for part in (
        "h4",
        ".go",
        ".go[aria-disabled=true]",
        ".state",
        "ol li",
        "ol li.here",
        ".said",
        "input",
        ".goal",
    ):
        assert panel.whole.locator(part).first.evaluate(CONTRAST) >= 4.5, part


def test_a_long_name_stays_in_its_column_and_the_marked_line_in_sight(
    notebook: Notebook, jupyterlab: JupyterLab
) -> None:
    panel = Panel(notebook.output(5))
    for width in (1200, 600):
        jupyterlab.page.set_viewport_size({"width": width, "height": 1000})
        for part in ("h4", ".go", ".state"):
            for text in panel.whole.locator(f"article {part}").all():
                expect(text).to_be_visible()
                wide, needed = text.evaluate("it => [it.clientWidth, it.scrollWidth]")
                assert needed <= wide, part
        jupyterlab.page.wait_for_function(IN_SIGHT, arg=panel.thread("MainThread").element_handle())


IN_SIGHT = """thread => {
    const [row, code] = [".here", ".code"].map(it => thread.querySelector(it).getBoundingClientRect());
    return row.top >= code.top && row.bottom <= code.bottom;
}"""


# How a text stands out from what is behind it, by the formula of WCAG 2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
CONTRAST = """element => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const put = colour => { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); };
    const light = () => {
        const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = [];
    for (let it = element; it; it = it.parentElement) behind.unshift(getComputedStyle(it).backgroundColor);
    behind.forEach(put);
    const ground = light();
    put(getComputedStyle(element).color);
    const [dark, bright] = [ground, light()].sort((one, other) => one - other);
    return (bright + 0.05) / (dark + 0.05);
}"""


def test_a_cell_that_is_run_again_begins_anew(notebook: Notebook) -> None:
    panel = Panel(notebook.output(3))
    panel.again()
    panel.go(ONE).click()
    expect(panel.schedule).to_have_value("A")
    old = notebook.value("player.model_id")
    notebook.run(3)
    panel = Panel(notebook.output(3))
    expect(panel.whole).to_have_count(1)
    expect(panel.schedule).to_have_value("")
    assert notebook.value("player.model_id") != old
    assert notebook.value(f"{old!r} in __import__('ipywidgets').widget._instances") is False


def test_after_a_restart_of_the_kernel_it_says_so(notebook: Notebook) -> None:
    panel = Panel(notebook.output(1))
    notebook.restart_kernel()
    expect(panel.error).to_have_text("The kernel was restarted: run the cell again.")
    expect(panel.go(ONE)).to_have_attribute("aria-disabled", "true")
