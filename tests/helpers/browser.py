"""Headless Chromium, without network, for the pages that people look at."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


@cache
def _started() -> tuple[Playwright, Browser]:
    """One for all tests of a file: to start takes longer than most of them."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: apt install chromium")
    playwright = sync_playwright().start()
    return playwright, playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)


def end_chromium() -> None:
    """End the browser, if one was started."""
    if _started.cache_info().currsize:
        playwright, browser = _started()
        browser.close()
        playwright.stop()
        _started.cache_clear()


@contextmanager
def chromium_page(width: int = 1100, height: int = 800, is_scripted: bool = True) -> Iterator[Page]:
    """A page that shares nothing with others; leaving it fails the test if a script raised or reached out.

    `is_scripted=False` shows it to who allows no JavaScript.

    Skips where there is no Chromium: on Debian `apt install chromium`, which `make test` does as root.
    """
    context = _started()[1].new_context(
        viewport={"width": width, "height": height},
        accept_downloads=True,
        java_script_enabled=is_scripted,
    )
    with context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1"))
                else errors.append(request.url)
            ),
        )
        yield page
    assert errors == []
