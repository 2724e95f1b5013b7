"""An engine that stands by for the click, so that its start is not waited for; none where nobody could click."""

from __future__ import annotations

import psutil
import pytest
from AnomalyDetectionLib.panel import standby
from made_result_folder import result_folder

from panel.at_the_panel import detect, is_alive, leftovers
from panel.conftest import MODULE


@pytest.fixture
def panel(slicer_app, engine, monkeypatch):
    """The panel, with an engine that stands by as soon as Detect can be clicked."""
    engine("replay")
    monkeypatch.setattr(standby, "AFTER_MS", 1)
    return slicer_app.open(slicer_app.load_module(MODULE))


def engines() -> list[psutil.Process]:
    """The processes of this one that run an engine."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with_arguments = process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
        if "AnomalyDetectionLib" in with_arguments:
            found.append(process)
    return found


def standing_by(panel, slicer_app) -> psutil.Process:
    panel.ui.loadSampleButton.click()
    slicer_app.wait(engines)
    (engine,) = engines()
    assert "--standby-for" in engine.cmdline()
    return engine


def test_the_engine_that_stands_by_does_the_run_and_nothing_of_it_is_left(panel, slicer_app, monkeypatch):
    assert engines() == []
    waiting = standing_by(panel, slicer_app)
    panel.panel.refresh()
    slicer_app.rest(0.1)
    assert engines() == [waiting]

    panel.ui.detectButton.click()
    assert engines() in ([waiting], [])  # it may be through already
    slicer_app.wait(lambda: not panel.panel.detect.running)
    assert panel.ui.findingsTable.rowCount >= 5
    assert not is_alive(waiting.pid)
    panel.panel.refresh()
    slicer_app.rest(0.1)
    assert engines() == [], "the reader has the cores first"
    monkeypatch.setattr(standby, "AFTER_RESULT_MS", 1)
    panel.exit()
    panel.enter()
    slicer_app.wait(engines)  # for the next click
    (following,) = engines()
    assert following != waiting
    assert len(leftovers(slicer_app)) == 1
    panel.panel.close_scene()
    assert engines() == []
    assert leftovers(slicer_app) == []


def test_none_stands_by_for_an_opened_result_until_another_pair_is_chosen(
    panel, slicer_app, monkeypatch, tmp_path
):
    monkeypatch.setattr(standby, "AFTER_RESULT_MS", 1)
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    slicer_app.rest(0.1)
    assert engines() == []
    standing_by(panel, slicer_app)


@pytest.mark.parametrize(
    "how", ["another module is opened", "no FLAIR is chosen", "the scene is closed", "time goes by"]
)
def test_none_stands_by_where_nobody_will_click(how, panel, slicer_app):
    standing_by(panel, slicer_app)
    if how == "another module is opened":
        panel.exit()
    elif how == "no FLAIR is chosen":
        panel.ui.flairSelector.choose(None)
    elif how == "the scene is closed":
        slicer_app.close_scene()
    else:
        panel.panel.detect.standby.stop()
    slicer_app.rest(0.1)
    assert engines() == []
    assert leftovers(slicer_app) == []


def test_where_it_has_died_another_does_the_run(panel, slicer_app):
    waiting = standing_by(panel, slicer_app)
    waiting.kill()
    waiting.wait()
    detect(panel, slicer_app)
    assert panel.ui.findingsTable.rowCount >= 5


def test_cancel_ends_it_as_any_other(panel, slicer_app, engine):
    engine("slow")
    waiting = standing_by(panel, slicer_app)
    panel.ui.detectButton.click()
    slicer_app.wait(lambda: len(waiting.children()) == 1)
    family = [waiting, *waiting.children()]
    panel.panel.exit()  # nobody will click again
    panel.ui.cancelButton.click()
    assert not any(is_alive(process.pid) for process in family)
    assert leftovers(slicer_app) == []
