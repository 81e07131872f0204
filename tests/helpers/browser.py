"""Headless Chromium, without network, for the pages that people look at."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


@contextmanager
def chromium_page(width: int = 1100, height: int = 800, is_scripted: bool = True) -> Iterator[Page]:
    """A page in a new browser; leaving it fails the test if a script of the page raised or reached out.

    `is_scripted=False` shows it to who allows no JavaScript.

    Skips where there is no Chromium: on Debian `apt install chromium`, which `make test` does as root.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            accept_downloads=True,
            java_script_enabled=is_scripted,
        )
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
        browser.close()
        assert errors == []
