/* SPDX-License-Identifier: MIT */
/* The course of the run: heap, resident and live memory, how much was allocated, collections with their pauses, the peak. A click
 * chooses a moment, dragging a window; flame graph and tables then follow. Moments are the times at which the profile has rows.
 */

const WIDTH = 1000 // of the drawings' own units; they stretch to the page
const HEIGHT = 100
const POINTS = 1500 // more would not be seen: of each group of points the lowest and highest stay

/* Indexes of what is drawn of a column: all, or the lowest and highest of each group. */
function thinned(values) {
  const kept = []
  const step = Math.ceil((values.length / POINTS) * 2)
  for (let i = 0; i < values.length; i += step) {
    let low = i,
      high = i
    for (let j = i; j < Math.min(i + step, values.length); j++) {
      if (values[j] < values[low]) low = j
      if (values[j] > values[high]) high = j
    }
    kept.push(Math.min(low, high))
    if (low !== high) kept.push(Math.max(low, high))
  }
  if (values.length > 0 && kept[kept.length - 1] !== values.length - 1) kept.push(values.length - 1)
  return kept
}

/* Round steps in binary units, up to above `top`. */
function byteTicks(top) {
  let unit = 1
  while (top / unit >= 1024) unit *= 1024
  const rough = top / unit / 4
  const power = 10 ** Math.floor(Math.log10(rough || 1))
  const step = [1, 2, 2.5, 5, 10, 20].find(multiple => multiple * power >= rough) * power * unit
  return Array.from({length: Math.ceil(top / step) + 1}, (_, i) => i * step)
}

class Timeline {
  constructor(app) {
    this.app = app
    this.model = app.model
    const {raw} = this.model
    this.end = Math.max(
      raw.duration,
      ...raw.moments.map(moment => moment.t),
      raw.usage.t[raw.usage.t.length - 1] || 0,
      1
    )
    if (this.model.base) this.end = Math.max(this.end, this.model.base.raw.duration)
    this.readout = el('div', {class: 'readout'})
    this.plot = el('div', {class: 'plot', 'aria-hidden': 'true'})
    this.churn = el('div', {class: 'plot low', 'aria-hidden': 'true'})
    this.window = el('div', {class: 'window', hidden: true})
    this.cursor = el('div', {class: 'cursor', hidden: true})
    this.element = newSection('timeline', 'Timeline', lead(this.lead()), this.chart())
    this.listen()
    this.model.onChange(() => this.update())
    this.update()
  }

  lead() {
    const count = this.model.raw.moments.length
    if (count === 0) return 'The profile has no moment with figures by stack, so there is nothing to choose.'
    if (count === 1) return 'The profile has figures by stack for one moment only, so there is nothing to choose.'
    return (
      'Click to choose a moment, or drag over a stretch of time: everything below then shows what was alive at ' +
      'its end, and what was allocated in it. The dots are the moments that the profile knows.'
    )
  }

  x(t) {
    return (t / this.end) * WIDTH
  }

  percent(t) {
    return ((t / this.end) * 100).toFixed(3) + '%'
  }

  /* ---- Drawing ---- */

  chart() {
    const {usage} = this.model.raw
    if (usage.t.length === 0)
      return el(
        'div',
        {class: 'chart'},
        el('p', {class: 'empty'}, 'The profile has no course of the run.'),
        this.sliders()
      )
    this.drawPlot()
    const csv = el('button', {onclick: () => this.save()}, 'Save as CSV')
    const whole = el('button', {id: 'whole-run', onclick: () => this.choose(-1, this.model.lastMoment)}, 'Whole run')
    return el(
      'div',
      {class: 'chart'},
      el(
        'div',
        {class: 'controls'},
        el(
          'div',
          {class: 'legend grow'},
          el('span', {class: 'k-resident'}, 'resident'),
          el('span', {class: 'k-heap'}, 'heap'),
          el('span', {class: 'k-live'}, this.model.raw.level === 3 ? 'alive' : 'alive (estimate)'),
          el('span', {class: 'k-pause'}, 'collection, as high as its pause is long'),
          el('span', {class: 'k-churn'}, 'allocated a second'),
          this.model.base ? el('span', {}, 'dashed: compared with') : null
        ),
        whole,
        csv
      ),
      this.readout,
      this.plot,
      this.churn,
      this.sliders()
    )
  }

  drawPlot() {
    const {raw} = this.model
    const sides = this.model.base ? [this.model.base.raw, raw] : [raw]
    const tops = sides.map(side => [
      side.peakBytes,
      ...['resident', 'heap', 'live'].map(name => side.usage[name].reduce((a, b) => Math.max(a, b), 0)),
    ])
    const ticks = byteTicks(Math.max(...tops.flat(), 1024))
    this.top = ticks[ticks.length - 1]
    const svg = svgOf(`0 0 ${WIDTH} ${HEIGHT}`, '')
    for (const tick of ticks.slice(1))
      svg.append(shape('line', {class: 'gridline', x1: 0, x2: WIDTH, y1: this.y(tick), y2: this.y(tick)}))
    this.plot.append(
      svg,
      ...ticks.map(tick =>
        el('span', {class: 'y', style: {top: this.y(tick) + '%'}}, bytesText(tick).replace('.0 ', ' '))
      )
    )
    for (const side of sides) this.drawSeries(svg, side, side === raw ? '' : ' base')
    this.drawPauses(svg)
    this.drawTimes()
    this.plot.append(this.window, this.cursor)
    this.drawPeak()
    this.dots =
      raw.moments.length > 1
        ? raw.moments.map(moment => el('i', {class: 'moment', style: {left: this.percent(moment.t)}}))
        : []
    this.plot.append(...this.dots)
    this.drawChurn()
  }

  y(bytes) {
    return HEIGHT - (bytes / this.top) * HEIGHT
  }

  drawSeries(svg, side, more) {
    const {usage} = side
    for (const name of ['resident', 'heap', 'live']) {
      if (!usage[name].some(value => value > 0)) continue
      const points = thinned(usage[name]).map(
        i => `${this.x(usage.t[i]).toFixed(2)},${this.y(usage[name][i]).toFixed(2)}`
      )
      if (name === 'live' && !more) {
        const last = this.x(usage.t[usage.t.length - 1])
        svg.append(
          shape('polygon', {
            class: 'area',
            points: `${this.x(usage.t[0])},${HEIGHT} ${points.join(' ')} ${last},${HEIGHT}`,
          })
        )
      }
      svg.append(shape('polyline', {class: `series ${name}${more}`, points: points.join(' ')}))
    }
  }

  drawPauses(svg) {
    const {cycles} = this.model.raw
    const longest = cycles.pause.reduce((top, pause) => Math.max(top, pause), 1)
    const path = thinned(cycles.pause).map(
      i => `M${this.x(cycles.t[i]).toFixed(2)} ${HEIGHT}v${(-3 - (15 * cycles.pause[i]) / longest).toFixed(2)}`
    )
    if (path.length > 0) svg.append(shape('path', {class: 'pause', d: path.join('')}))
  }

  drawTimes() {
    for (let i = 0; i <= 4; i++) {
      this.plot.append(
        el(
          'span',
          {class: 'x' + (i === 0 ? ' first' : i === 4 ? ' last' : ''), style: {left: i * 25 + '%'}},
          i === 0 ? '0' : timeText((this.end * i) / 4)
        )
      )
    }
  }

  drawPeak() {
    const {peakBytes, peakTime} = this.model.raw
    if (peakBytes === 0) return
    const at = peakTime / this.end
    this.plot.append(
      el(
        'div',
        {
          class: 'peak' + (at > 0.85 ? ' right' : at < 0.15 ? ' left' : ''),
          style: {left: this.percent(peakTime), top: this.y(peakBytes) + '%'},
        },
        el('span', {}, 'most alive: ' + bytesText(peakBytes))
      )
    )
  }

  /* Bytes a second; what lies too close together, as at the end, counts to what goes before. */
  churnRates(usage) {
    let since = 0
    const rates = [0]
    for (let i = 1; i < usage.t.length; i++) {
      const time = usage.t[i] - usage.t[since]
      const isLong = time > this.end / 500
      rates.push(isLong ? (Math.max(0, usage.allocated[i] - usage.allocated[since]) / time) * 1e9 : rates[i - 1])
      if (isLong) since = i
    }
    return rates
  }

  /* What was allocated a second, in a strip of its own: it has another scale. */
  drawChurn() {
    const {usage} = this.model.raw
    const rates = this.churnRates(usage)
    const top = rates.reduce((a, b) => Math.max(a, b), 1)
    const svg = svgOf(`0 0 ${WIDTH} ${HEIGHT}`, '')
    const path = thinned(rates)
      .filter(i => i > 0)
      .map(i => `V${(HEIGHT - (rates[i] / top) * HEIGHT).toFixed(1)}H${this.x(usage.t[i]).toFixed(2)}`)
    svg.append(shape('path', {class: 'churn', d: `M${this.x(usage.t[0])} ${HEIGHT}${path.join('')}V${HEIGHT}Z`}))
    this.churn.append(svg, el('span', {class: 'y', style: {top: '8%'}}, bytesText(top) + '/s'))
    this.rates = rates
  }

  /* ---- Choosing ---- */

  sliders() {
    const {moments} = this.model.raw
    if (moments.length < 2) return null
    const slider = (id, low, label) =>
      el('input', {
        type: 'range',
        id,
        min: low,
        max: moments.length - 1,
        step: 1,
        'aria-label': label,
        oninput: () => this.slide(id),
      })
    this.from = slider('from', -1, 'Begin of the window')
    this.to = slider('to', 0, 'The moment, or end of the window')
    this.fromText = el('output', {for: 'from'})
    this.toText = el('output', {for: 'to'})
    return el(
      'div',
      {class: 'sliders'},
      el('label', {for: 'from'}, 'from'),
      this.from,
      this.fromText,
      el('label', {for: 'to'}, 'until'),
      this.to,
      this.toText
    )
  }

  slide(id) {
    const from = Number(this.from.value),
      to = Number(this.to.value)
    if (id === 'to') this.choose(Math.min(from, to - 1), to)
    else this.choose(from, Math.max(to, from + 1))
  }

  choose(from, to) {
    const last = this.model.lastMoment
    this.model.select({from: Math.max(-1, Math.min(from, last - 1)), to: Math.max(0, Math.min(to, last))})
  }

  nearest(t) {
    let best = 0
    this.model.raw.moments.forEach((moment, i) => {
      if (Math.abs(moment.t - t) < Math.abs(this.model.raw.moments[best].t - t)) best = i
    })
    return best
  }

  listen() {
    const timeAt = event => {
      const box = this.plot.getBoundingClientRect()
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.end
    }
    this.plot.addEventListener('pointerdown', event => {
      if (this.model.lastMoment < 1 || event.button !== 0) return
      this.begun = timeAt(event)
      this.plot.setPointerCapture(event.pointerId)
    })
    this.plot.addEventListener('pointermove', event => {
      this.show(timeAt(event))
      if (this.begun !== undefined && event.buttons & 1) this.drag(this.begun, timeAt(event))
    })
    this.plot.addEventListener('pointerup', event => {
      if (this.begun === undefined) return
      this.drag(this.begun, timeAt(event))
      this.begun = undefined
    })
    this.plot.addEventListener('pointercancel', () => (this.begun = undefined))
    this.plot.addEventListener('pointerleave', () => {
      this.cursor.hidden = true
      this.readout.textContent = ''
    })
  }

  /* Less than a hundredth of the width is a click. */
  drag(begun, now) {
    const isClick = Math.abs(now - begun) < this.end / 100
    const first = Math.min(begun, now)
    const from = first < this.model.raw.moments[0].t / 2 ? -1 : this.nearest(first)
    if (isClick) this.choose(-1, this.nearest(now))
    else this.choose(from, Math.max(from + 1, this.nearest(Math.max(begun, now))))
  }

  show(t) {
    const {usage, cycles} = this.model.raw
    this.cursor.hidden = false
    this.cursor.style.left = this.percent(t)
    let at = usage.t.findIndex(time => time >= t)
    if (at < 0) at = usage.t.length - 1
    const cycle = cycles.t.findIndex(time => Math.abs(time - t) < this.end / 400)
    this.readout.textContent = [
      timeText(usage.t[at]),
      'heap ' + bytesText(usage.heap[at]),
      usage.resident[at] > 0 ? 'resident ' + bytesText(usage.resident[at]) : '',
      'alive ' + bytesText(usage.live[at]),
      'allocated ' + bytesText(usage.allocated[at]),
      this.rates ? bytesText(this.rates[at]) + '/s' : '',
      cycle < 0 ? '' : `collection: pause ${timeText(cycles.pause[cycle])}, freed ${bytesText(cycles.freed[cycle])}`,
    ]
      .filter(Boolean)
      .join(' · ')
  }

  update() {
    const {from, to} = this.model.selection
    const {moments} = this.model.raw
    if (moments.length < 2 || !this.from) return
    const begin = from < 0 ? 0 : moments[from].t
    this.window.hidden = from < 0 && to === this.model.lastMoment
    this.window.style.left = this.percent(begin)
    this.window.style.right = (100 - (moments[to].t / this.end) * 100).toFixed(3) + '%'
    if (this.dots) this.dots.forEach((dot, i) => dot.classList.toggle('chosen', i === to || i === from))
    this.from.value = from
    this.to.value = to
    this.fromText.textContent = from < 0 ? 'the start' : timeText(begin)
    this.toText.textContent = timeText(moments[to].t)
    this.from.setAttribute('aria-valuetext', this.fromText.textContent)
    this.to.setAttribute('aria-valuetext', this.toText.textContent)
  }

  save() {
    const {usage, cycles} = this.model.raw
    const names = ['t', 'heap', 'resident', 'live', 'allocated', 'objects']
    let text = csvLine([
      'seconds',
      'heap_bytes',
      'resident_bytes',
      'live_bytes',
      'allocated_bytes',
      'allocated_objects',
      'pause_ns',
    ])
    const rows = usage.t.map((t, i) => names.map(name => (name === 't' ? t : usage[name][i])).concat(''))
    cycles.t.forEach((t, i) => rows.push([t, cycles.heap[i], '', cycles.live[i], '', '', cycles.pause[i]]))
    rows.sort((a, b) => a[0] - b[0])
    for (const row of rows) text += csvLine([(row[0] / 1e9).toFixed(6), ...row.slice(1)])
    saveFile('timeline.csv', 'text/csv', text)
  }
}
