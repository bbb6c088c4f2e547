/* SPDX-License-Identifier: MIT */
/* Puts the report together, and takes the user from one part to another. */

const PARTS = [
  ['summary', 'Summary'],
  ['timeline', 'Timeline'],
  ['flame', 'Flame graph'],
  ['places', 'Places'],
  ['leaks', 'Leaks'],
  ['alive', 'Why alive'],
  ['sizes', 'Sizes and ages'],
  ['threads', 'Threads'],
  ['collections', 'Collections'],
  ['compare', 'Compared'],
]

class App {
  constructor(model) {
    this.model = model
    this.facts = gatherFacts(model)
    this.painter = new Painter()
    this.details = new Details(this)
    this.summary = new Summary(this)
    this.timeline = new Timeline(this)
    this.flame = new Flame(this)
    this.places = new Places(this)
    this.leaks = new Leaks(this)
    this.alive = new Alive(this)
    this.compare = model.base ? new Compare(this) : null
    drawHead(model)
    drawHelp()
    byId('main').append(
      this.summary.element,
      ...(this.compare ? [this.compare.element] : []),
      this.timeline.element,
      this.flame.element,
      this.places.element,
      this.leaks.element,
      this.alive.element,
      this.details.sizes,
      this.details.threads,
      this.details.cycles
    )
    this.drawNavigation()
    model.onChange(() => this.drawBar())
    this.drawBar()
  }

  /* A section that follows what is chosen. */
  draws(element, draw) {
    this.painter.watch(element)
    this.painter.mark(element, draw)
    this.model.onChange(() => this.painter.mark(element, draw))
  }

  drawNavigation() {
    const order = Array.from(byId('main').children, section => section.id)
    const title = new Map(PARTS)
    const links = order.map(id => el('a', {href: '#' + id}, title.get(id)))
    byId('nav').append(
      ...links,
      el('button', {class: 'end', id: 'open-help', onclick: () => byId('help').showModal()}, 'Help')
    )
    const seen = new Set()
    const observer = new IntersectionObserver(
      entries => {
        for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id)
        const current = order.find(id => seen.has(id))
        links.forEach((link, i) =>
          order[i] === current ? this.markLink(link) : link.removeAttribute('aria-current')
        )
      },
      {rootMargin: '-110px 0px -55% 0px'}
    )
    for (const section of byId('main').children) observer.observe(section)
  }

  markLink(link) {
    const nav = byId('nav')
    link.setAttribute('aria-current', 'true')
    nav.scrollLeft = link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2
  }

  /* What is chosen, and the way back from it. */
  drawBar() {
    const {model} = this
    const {from, to, thread, focus} = model.selection
    const {moments, threads} = model.raw
    const time = to === model.lastMoment || to < 0 ? 'the end' : timeText(moments[to].t)
    const what =
      from < 0
        ? to === model.lastMoment
          ? 'The whole run'
          : `From the start until ${time}`
        : `From ${timeText(moments[from].t)} until ${time}`
    if (!this.threadChoice) this.threadChoice = this.makeThreadChoice(threads)
    this.threadChoice.value = thread
    byId('bar').replaceChildren(
      ...[
        el(
          'span',
          {class: 'what', id: 'what'},
          what,
          focus >= 0
            ? [', stacks through ', el('bdi', {class: 'name'}, model.names.functions[focus].name.slice(0, 200))]
            : null
        ),
        el('label', {}, 'Thread', this.threadChoice),
        el(
          'button',
          {
            id: 'reset',
            disabled: model.isWhole(),
            onclick: () => model.select({from: -1, to: model.lastMoment, thread: -1, focus: -1}),
          },
          'Show everything'
        ),
      ]
    )
    say(what)
  }

  makeThreadChoice(threads) {
    const used = Array.from(new Set(this.model.now.thread)).sort((a, b) => a - b)
    return el(
      'select',
      {id: 'thread', onchange: event => this.model.select({thread: Number(event.target.value)})},
      el('option', {value: -1}, 'all'),
      used.map(thread => el('option', {value: thread}, (threads[thread] || `thread ${thread}`).slice(0, 60)))
    )
  }

  go(id) {
    byId(id).scrollIntoView()
  }

  focus(fn) {
    this.model.select({focus: fn})
  }

  showLeak(key) {
    this.go('leaks')
    this.leaks.reveal(key)
  }

  /* A place of one of the lists: leaks to the leaks, others to the table. */
  showPlace(node, metric) {
    if (metric === 'leaked' || metric === 'collected') {
      this.showLeak(node * 2 + (metric === 'collected' ? 1 : 0))
      return
    }
    this.go('places')
    this.places.reveal(node)
  }

  showFlame(frame, metric) {
    this.flame.setMetric(metric)
    this.flame.setSearch(this.model.functionOf(this.model.names.frames[frame]).name)
    this.go('flame')
  }
}

async function main() {
  byId('loading').hidden = false
  try {
    const raw = await unpack('data')
    const base = await unpack('base')
    new App(new Model(raw, base))
    byId('report').hidden = false
    byId('loading').hidden = true
    performance.mark('ready')
    document.body.dataset.ready = 'true'
  } catch (error) {
    byId('loading').textContent =
      typeof DecompressionStream === 'undefined'
        ? 'This browser is too old for the report: it cannot unpack what is in it. Browsers since 2023 can.'
        : 'The report cannot be shown: ' + error.message
    throw error
  }
}

main()
