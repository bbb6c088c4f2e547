// SPDX-License-Identifier: MIT
// The picture is complete without this: here are zooming, searching, and the line that says what the mouse is over.
(function () {
  "use strict";
  const CHARACTER = 6.7, TEXT_MARGIN = 4, TEXT_LEAST = 3; // as in picture.c
  const svg = document.documentElement;
  const space = "http://www.w3.org/2000/svg", html = "http://www.w3.org/1999/xhtml";
  const note = svg.querySelector(".note"), figures = note.textContent;
  const frames = Array.from(svg.querySelectorAll(".f"), (element) => {
    const [title, rect, text] = element.children;
    const words = title.textContent;
    return {
      element, rect, text, words,
      name: words.slice(0, words.indexOf("\n")),
      left: +rect.getAttribute("x"), width: +rect.getAttribute("width"), top: +rect.getAttribute("y"),
    };
  });
  const root = frames[0];
  let found = "";

  function setText(frame, left, width) {
    const room = Math.floor((width - 2 * TEXT_MARGIN) / CHARACTER), name = Array.from(frame.name);
    frame.text.setAttribute("x", left + TEXT_MARGIN);
    if (room < TEXT_LEAST) frame.text.textContent = "";
    else frame.text.textContent = name.length > room ? name.slice(0, room - 2).join("") + ".." : frame.name;
  }

  function draw(frame, left, width) {
    frame.rect.setAttribute("x", left);
    frame.rect.setAttribute("width", width);
    setText(frame, left, width);
  }

  function covers(outer, inner) {
    const middle = inner.left + inner.width / 2; // numbers in the picture are rounded: edges may differ
    return outer.left <= middle && middle <= outer.left + outer.width;
  }

  function zoom(target) {
    const scale = root.width / target.width;
    for (const frame of frames) {
      const isAround = frame.top < target.top && covers(frame, target);
      const isInside = frame === target || (frame.top > target.top && covers(target, frame));
      frame.element.classList.toggle("up", isAround);
      frame.element.classList.toggle("gone", !isAround && !isInside);
      if (isAround) draw(frame, root.left, root.width);
      else if (isInside) draw(frame, root.left + (frame.left - target.left) * scale, frame.width * scale);
    }
  }

  // Frames below one that matches are not counted a second time.
  function matchedShare() {
    const hits = frames.filter((frame) => frame.element.classList.contains("hit"));
    hits.sort((a, b) => a.left - b.left || b.width - a.width);
    let end = 0, sum = 0;
    for (const hit of hits) {
      if (hit.left + hit.width / 2 <= end) continue;
      sum += hit.width;
      end = hit.left + hit.width;
    }
    return { count: hits.length, share: sum / root.width };
  }

  function search(words) {
    found = words.toLowerCase();
    for (const frame of frames)
      frame.element.classList.toggle("hit", found !== "" && frame !== root && frame.words.toLowerCase().includes(found));
    tell(null);
  }

  function tell(frame) {
    if (frame) note.textContent = frame.words.split("\n").join("   ");
    else if (found !== "") {
      const { count, share } = matchedShare();
      note.textContent = `${count} calls match: ${(100 * share).toFixed(2)} % of ${figures}`;
    } else note.textContent = figures;
  }

  function addSearch() {
    const holder = document.createElementNS(space, "foreignObject"), input = document.createElementNS(html, "input");
    for (const [name, value] of [["x", 970], ["y", 8], ["width", 220], ["height", 28]]) holder.setAttribute(name, value);
    input.setAttribute("type", "search");
    input.setAttribute("placeholder", "search: / or Ctrl-F");
    input.setAttribute("aria-label", "search");
    input.addEventListener("input", () => search(input.value));
    holder.append(input);
    svg.append(holder);
    return input;
  }

  const input = addSearch();
  for (const frame of frames) {
    frame.element.setAttribute("tabindex", "0");
    frame.element.addEventListener("click", () => zoom(frame));
    frame.element.addEventListener("mouseenter", () => tell(frame));
    frame.element.addEventListener("mouseleave", () => tell(null));
    frame.element.addEventListener("focus", () => tell(frame));
  }
  window.addEventListener("keydown", (event) => {
    const isInput = event.target === input;
    if (event.key === "Escape") {
      input.value = "";
      search("");
      zoom(root);
    } else if ((event.key === "f" && event.ctrlKey) || (event.key === "/" && !isInput)) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Enter" && !isInput) {
      const frame = frames.find((one) => one.element === event.target);
      if (frame) zoom(frame);
    }
  });
})();
