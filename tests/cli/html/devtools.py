# SPDX-License-Identifier: MIT
"""A headless Chromium that is spoken to over a pipe, with nothing between: its DevTools protocol, JSON with a zero byte behind.

    with Browser() as browser:
        page = browser.open("/tmp/report.html", width=1200, height=800)
        page.click("#open-help"); page.key("Escape"); page.text("#what"); page.screenshot("/tmp/report.png")

Clicks and keys are those of a user: they go to what is at that place of the page. Whatever the console says, exceptions and what
the page asks the network for are collected in page.complaints and page.requests.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

SECONDS = 60  # for one answer, on a machine that is busy
KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "Tab": ("", 9), " ": (" ", 32), "ArrowLeft": ("", 37), "ArrowUp": ("", 38),
        "ArrowRight": ("", 39), "ArrowDown": ("", 40), "Home": ("", 36), "End": ("", 35)}


def find():
    """The browser's path, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="gcalloc-browser-")
        to_us, its_output = os.pipe()
        its_input, from_us = os.pipe()
        self.log = open(os.path.join(self.folder, "log"), "wb")
        words = [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-extensions", "--disable-background-networking", "--hide-scrollbars", "--force-color-profile=srgb",
                 f"--user-data-dir={self.folder}/profile", "--remote-debugging-pipe", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        shell = ["/bin/sh", "-c", f'exec 3<&{its_input} 4>&{its_output}; exec "$@"', "sh", *words]
        self.process = subprocess.Popen(shell, pass_fds=(its_input, its_output), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        os.close(its_input)
        os.close(its_output)
        self.read_from, self.write_to = to_us, from_us
        self.buffer, self.number, self.pages = b"", 0, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.read_from)
        os.close(self.write_to)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Messages ----

    def receive(self, until):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_from], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise RuntimeError("the browser does not answer")
            more = os.read(self.read_from, 1 << 20)
            if not more:
                raise RuntimeError(f"the browser has ended; see its output:\n{self.output()}")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def output(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as file:
            return file.read()[-2000:]

    def call(self, method, session=None, **parameters):
        """The answer; events that come before it are noted."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self.write_to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            self.note(answer)

    def note(self, event):
        page = self.pages.get(event.get("sessionId"))
        if page:
            page.note(event["method"], event["params"])

    def open(self, path, **more):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        page.load(path, **more)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser = browser
        self.session = session
        self.complaints = []
        self.requests = []

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(argument.get("value")) for argument in parameters["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def load(self, path, width=1280, height=900, dark=False, scripts=True, touch=False):
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                    {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.call("Emulation.setEmulatedMedia", media="screen", features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url="file://" + os.path.realpath(path))
        self.wait("document.body && document.body.dataset.ready === 'true'" if scripts else
                  "location.href !== 'about:blank' && document.readyState === 'complete'")

    # ---- Looking ----

    def run(self, expression):
        """The value of an expression of JavaScript in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, condition, seconds=SECONDS):
        until = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > until:
                raise AssertionError(f"never came: {condition}; console: {self.complaints}")
            time.sleep(0.03)

    def text(self, selector):
        return self.run(f"(document.querySelector({json.dumps(selector)}) || {{innerText: ''}}).innerText")

    def texts(self, selector):
        return self.run(f"Array.from(document.querySelectorAll({json.dumps(selector)}), e => e.innerText)")

    def count(self, selector):
        return self.run(f"document.querySelectorAll({json.dumps(selector)}).length")

    def place(self, selector, containing=None):
        """Middle of the first such element that contains the text, after it was brought into view."""
        place = self.run(f"""(() => {{
            const text = {json.dumps(containing)}
            const all = Array.from(document.querySelectorAll({json.dumps(selector)}))
            const element = all.find(e => text === null || e.textContent.includes(text))
            if (!element) return null
            element.scrollIntoView({{block: 'center', inline: 'center', behavior: 'instant'}})
            const box = element.getBoundingClientRect()
            return [box.left + box.width / 2, box.top + box.height / 2, box.width, box.height]
        }})()""")
        if place is None or place[2] == 0:
            raise AssertionError(f"not in the page: {selector} {containing or ''}")
        return place

    # ---- Doing ----

    def mouse(self, kind, x, y, buttons=0, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=buttons, **more)

    def click(self, selector, containing=None):
        x, y, _, _ = self.place(selector, containing)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, 1, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)
        self.settle()

    def hover(self, selector, containing=None):
        x, y, _, _ = self.place(selector, containing)
        self.mouse("mouseMoved", x, y)
        self.settle()

    def drag(self, selector, begin, end):
        """Across an element, from one part of its width to another."""
        x, y, width, _ = self.place(selector)
        left = x - width / 2
        self.mouse("mouseMoved", left + width * begin, y)
        self.mouse("mousePressed", left + width * begin, y, 1, button="left", clickCount=1)
        for step in range(1, 5):
            self.mouse("mouseMoved", left + width * (begin + (end - begin) * step / 4), y, 1, button="left")
        self.mouse("mouseReleased", left + width * end, y, button="left", clickCount=1)
        self.settle()

    def key(self, name):
        text, code = KEYS[name]
        common = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.settle()

    def type(self, text):
        self.call("Input.insertText", text=text)
        self.settle()

    def choose(self, selector, value):
        """An entry of a list, as by a user; the list itself is drawn outside of the page."""
        self.run(f"""(() => {{
            const list = document.querySelector({json.dumps(selector)})
            list.value = {json.dumps(value)}
            list.dispatchEvent(new Event('change', {{bubbles: true}}))
        }})()""")
        self.settle()

    def settle(self):
        """Until two pictures have been drawn, and everything that has to be."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        self.wait("document.body.dataset.busy !== 'true'")

    def screenshot(self, path, whole=False):
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def print(self, path):
        self.call("Emulation.setEmulatedMedia", media="")  # as paper has it
        answer = self.call("Page.printToPDF", printBackground=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))
