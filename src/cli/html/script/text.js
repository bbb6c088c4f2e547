/* SPDX-License-Identifier: MIT */
/* Numbers as people read them, and elements. Names of the profile only ever become text nodes. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

function bytesText(value) {
  let number = Math.abs(value)
  let unit = 0
  while (number >= 1023.95 && unit < UNITS.length - 1) {
    number /= 1024
    unit++
  }
  return (value < 0 ? '−' : '') + (unit === 0 ? Math.round(number) : number.toFixed(1)) + ' ' + UNITS[unit]
}

const COUNTS = new Intl.NumberFormat('en', {maximumFractionDigits: 0})
const countText = value => COUNTS.format(value).replace('-', '−')

/* Short: 12.3 million. */
function roughText(value) {
  const number = Math.abs(value)
  if (number >= 1e9) return (value / 1e9).toFixed(1) + ' billion'
  if (number >= 1e6) return (value / 1e6).toFixed(1) + ' million'
  return countText(Math.round(value))
}

function timeText(nanoseconds) {
  const seconds = nanoseconds / 1e9
  if (seconds >= 7200) return (seconds / 3600).toFixed(1) + ' h'
  if (seconds >= 120) return (seconds / 60).toFixed(1) + ' min'
  if (seconds >= 1) return seconds.toFixed(seconds >= 10 ? 1 : 2) + ' s'
  if (seconds >= 1e-3) return (seconds * 1e3).toFixed(seconds >= 0.01 ? 0 : 1) + ' ms'
  return (seconds * 1e6).toFixed(0) + ' µs'
}

function shareText(share) {
  if (!isFinite(share)) return '–'
  const percent = share * 100
  return (Math.abs(percent) >= 10 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1)).replace('-', '−') + ' %'
}

const signedText = (value, format) => (value > 0 ? '+' : '') + format(value)
const plural = (count, one, many) => countText(count) + ' ' + (count === 1 ? one : many || one + 's')

/* The last part of a path. */
const baseName = path => path.slice(path.lastIndexOf('/') + 1)

/* An element: attributes, `class`, handlers (onclick), then children: elements, texts, or arrays of them; null is nothing. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'style')
      for (const [property, set] of Object.entries(value)) element.style.setProperty(property, set)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false))
  return element
}

/* A section of the page, with its heading. */
function newSection(id, title, ...children) {
  return el('section', {id, 'aria-labelledby': id + '-title'}, el('h2', {id: id + '-title'}, title), ...children)
}

/* What a section shows, in a sentence or two behind its heading. */
const lead = (...words) => el('p', {class: 'lead'}, ...words)

const byId = id => document.getElementById(id)

/* For screen readers: what has just changed. */
function say(text) {
  byId('said').textContent = text
}

/* Sections are drawn anew when what they show has changed: those in view before the next picture, the others one by one behind
 * it, so that a large profile answers at once. */
class Painter {
  constructor() {
    this.due = new Map() // element: what draws it
    this.seen = new Set()
    this.observer = new IntersectionObserver(
      entries => {
        for (const {target, isIntersecting} of entries)
          isIntersecting ? this.seen.add(target) : this.seen.delete(target)
        this.start()
      },
      {rootMargin: '200px'}
    )
    addEventListener('beforeprint', () => this.drawAll())
  }

  watch(element) {
    this.observer.observe(element)
  }

  mark(element, draw) {
    this.due.set(element, draw)
    document.body.dataset.busy = 'true'
    this.start()
  }

  start() {
    if (this.isStarted || this.due.size === 0) return
    this.isStarted = true
    requestAnimationFrame(() => {
      for (const element of this.seen) this.draw(element)
      setTimeout(() => this.drawNext())
    })
  }

  draw(element) {
    const draw = this.due.get(element)
    this.due.delete(element)
    if (draw) draw()
  }

  drawNext() {
    this.isStarted = false
    for (const element of this.seen) this.draw(element)
    if (this.due.size === 0) document.body.dataset.busy = 'false'
    else {
      this.draw(this.due.keys().next().value)
      this.isStarted = true
      setTimeout(() => this.drawNext())
    }
  }

  drawAll() {
    for (const element of Array.from(this.due.keys())) this.draw(element)
  }
}

function saveFile(name, type, text) {
  const link = el('a', {href: URL.createObjectURL(new Blob([text], {type})), download: name})
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

/* One line of CSV. A cell that a spreadsheet would take for a formula is kept from being one. */
const csvLine = cells =>
  cells
    .map(cell => {
      const text = /^[=+\-@\t]/.test(cell) && isNaN(Number(cell)) ? "'" + cell : String(cell)
      return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text
    })
    .join(',') + '\n'
