/* SPDX-License-Identifier: MIT */
/* The head of the page, the verdict in plain words, cards, and the places that come first in each respect. */

const LEVELS = ['', 'sample', 'site', 'full']

function drawHead(model) {
  const {raw} = model
  const started = new Date(raw.start)
  const fact = (label, value) => el('span', {}, label + ' ', el('b', {}, value))
  byId('head').replaceChildren(
    el(
      'h1',
      {},
      el('bdi', {}, baseName(raw.executable) || 'unknown program'),
      el('small', {}, 'memory profile by gcalloc ' + raw.library)
    ),
    el('div', {class: 'command', tabindex: '0', 'aria-label': 'Command line'}, el('bdi', {}, raw.words.join(' '))),
    el(
      'p',
      {class: 'facts'},
      fact('process', raw.process),
      isNaN(started) || raw.start === 0
        ? null
        : fact('started', started.toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'medium'})),
      fact('ran', timeText(raw.duration)),
      fact('level', LEVELS[raw.level] || raw.level),
      raw.level === 3 ? fact('recorded', 'every allocation') : fact('one sample in', bytesText(raw.rate)),
      model.base ? fact('compared with', baseName(model.base.raw.path)) : null
    )
  )
}

class Summary {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.facts = app.facts
    this.element = newSection('summary', 'Summary', this.verdict(), this.cards(), this.tops())
  }

  place(node) {
    return el('bdi', {class: 'name'}, this.model.siteText(node))
  }

  jump(text, call) {
    return el('button', {class: 'link', onclick: call}, text)
  }

  /* ---- The verdict ---- */

  verdict() {
    const leaks = leakFacts(this.facts.groups)
    const {growth, growing} = this.facts
    const isBad = leaks.bytes > 0
    const isWarning = growth > 0 || leaks.collectedBytes > 0 || !this.model.raw.complete || !this.model.raw.leaksKnown
    const title = isBad
      ? `It leaks ${bytesText(leaks.bytes)}.`
      : growth > 0
        ? (this.model.raw.leaksKnown ? 'No leak was found, but what' : 'What') + ' lives keeps growing.'
        : leaks.collectedBytes > 0
          ? 'It loses memory, and the collector takes it back.'
          : !this.model.raw.complete
            ? 'The profile is not complete.'
            : this.model.raw.leaksKnown
              ? 'No leak was found.'
              : 'Nobody has looked for leaks.'
    const first = this.lookFirst(leaks)
    return el(
      'div',
      {class: 'verdict ' + (isBad ? 'bad' : isWarning ? 'warn' : 'good')},
      el('h3', {}, title),
      el(
        'ul',
        {},
        [
          ...this.leakLines(leaks),
          this.growthLine(growing),
          this.peakLine(),
          this.collectionLine(),
          this.brokenLine(),
        ]
          .filter(Boolean)
          .map(line => el('li', {}, line))
      ),
      first.length > 0
        ? [
            el('h3', {}, 'Look at this first'),
            el(
              'ol',
              {},
              first.map(line => el('li', {}, line))
            ),
          ]
        : null,
      el('p', {class: 'exact'}, this.exactness(leaks))
    )
  }

  leakLines(leaks) {
    const lines = []
    if (leaks.bytes > 0) {
      lines.push(
        `${plural(leaks.objects, 'object')}, ${bytesText(leaks.bytes)} in ${plural(leaks.places, 'group')}, were never freed, ` +
          'and nothing that the program can still reach points to them.'
      )
    } else if (this.model.raw.leaksKnown) {
      lines.push('Whatever was not freed at the end can still be reached.')
    }
    if (leaks.collectedBytes > 0) {
      lines.push(
        `While it ran, the collector took back ${bytesText(leaks.collectedBytes)} in ` +
          `${plural(leaks.collectedObjects, 'object')} ` +
          'that the program had lost: leaks too, but without harm.'
      )
    }
    return lines
  }

  growthLine(growing) {
    const {growth} = this.facts
    if (growth > 0) {
      return (
        `What lives grows by ${bytesText(growth * 60)} a minute` +
        (growing.length > 0 ? `, in ${plural(growing.length, 'place')} without a break.` : '.')
      )
    }
    if (this.model.raw.usage.t.length >= 5) return 'What lives does not grow steadily in the later part of the run.'
    return null
  }

  peakLine() {
    const {raw} = this.model
    if (raw.peakBytes === 0) return null
    const top = raw.peak.length > 0 ? topSites(this.model, this.model.measure('peak'), 1)[0] : null
    const sum = top ? sumOf(this.model.now.peak.state.live) : 0
    return [
      `Most was alive ${raw.peakTime > 0 ? 'after ' + timeText(raw.peakTime) : 'at some time'}: ${bytesText(raw.peakBytes)}`,
      top && top.value > sum / 20
        ? [', of which ', this.place(top.node), ` had ${shareText(top.value / sum)}.`]
        : '.',
    ]
  }

  collectionLine() {
    const {cycles} = this.model.raw
    if (cycles.t.length === 0) return 'No collection was needed.'
    return (
      `${plural(cycles.t.length, 'collection')} stopped the program for ${timeText(this.facts.pauses)} in all, ` +
      `the longest time for ${timeText(this.facts.longest)}.`
    )
  }

  brokenLine() {
    const {raw} = this.model
    const lines = []
    if (!raw.complete)
      lines.push(
        'The file has no end: the program was killed, still runs, or had no room. The figures are the last whole ones.'
      )
    if (raw.lost > 0)
      lines.push(
        `${plural(raw.lost, 'sample or stack', 'samples and stacks')} found no room and ${raw.lost === 1 ? 'is' : 'are'} missing.`
      )
    return lines.length > 0 ? lines.join(' ') : null
  }

  /* At most four things, those that matter most first. */
  lookFirst(leaks) {
    const lines = []
    const {growing, temporaryShare} = this.facts
    if (leaks.largest) lines.push(this.leakAdvice(leaks.largest, leaks.bytes, 'is the largest leak'))
    if (leaks.attributed < 0.5) {
      lines.push(
        `Samples saw too little of what leaked: who allocated ${shareText(1 - leaks.attributed)} of it is not known. ` +
          'Record it again with a lower --rate, such as 4K, or with --level=full.'
      )
    }
    if (growing.length > 0) {
      const {node, value} = growing[0]
      lines.push([
        this.jump(this.place(node), () => this.app.showPlace(node, 'live')),
        ` has grown by ${bytesText(value)} and never shrank.`,
      ])
    }
    if (leaks.collectedLargest && leaks.collectedBytes > this.facts.allocated / 100) {
      lines.push(
        this.leakAdvice(leaks.collectedLargest, leaks.collectedBytes, 'is where most of what was collected came from')
      )
    }
    const live = topSites(this.model, this.model.measure('live'), 1)[0]
    const said = [growing[0], leaks.largest].filter(Boolean).map(({node}) => this.model.site(node))
    const isSaid = live && said.includes(this.model.site(live.node))
    if (live && !isSaid && !this.model.isUnknown(live.node) && live.value > this.facts.live / 10) {
      lines.push([
        this.jump(this.place(live.node), () => this.app.showPlace(live.node, 'live')),
        ` holds ${shareText(live.value / this.facts.live)} of what is alive at the end, ${bytesText(live.value)}.`,
      ])
    }
    if (temporaryShare > 0.5) {
      const top = topSites(this.model, this.model.measure('temporary'), 1)[0]
      lines.push([
        this.jump(this.place(top.node), () => this.app.showPlace(top.node, 'temporary')),
        ` makes most of the short-lived blocks; ${shareText(temporaryShare)} of all allocations are gone almost at once.`,
      ])
    }
    return lines.slice(0, 4)
  }

  leakAdvice(group, sum, what) {
    return [
      this.jump(this.place(group.node), () => this.app.showLeak(group.key)),
      ` ${what}: ${bytesText(group.bytes)} in ${plural(group.objects, 'object')} (${shareText(group.bytes / sum)}).`,
    ]
  }

  exactness(leaks) {
    const {raw} = this.model
    const exact = 'Leaks, collections, the heap and resident memory are counted exactly.'
    if (raw.level === 3) return exact + ' So is everything else: this profile has every allocation in it.'
    const of =
      leaks.bytes > 0
        ? ` Of the leaked bytes ${shareText(leaks.attributed)} could be told where they were allocated.`
        : ''
    if (this.facts.samples === 0) return exact + of + ' There are no samples, so nothing else is known.'
    return (
      exact +
      of +
      ' What lives, was allocated, was temporary, and how old it became is estimated from ' +
      `${plural(this.facts.samples, 'sample')}: ` +
      `in all, what was allocated is right to about ±${shareText(this.model.error('allocated'))}, and what is alive to about ` +
      `±${shareText(this.model.error('live'))}. Of a single place the error is larger, and shown beside it.`
    )
  }

  /* ---- Cards ---- */

  card(label, figure, more, title, name) {
    return el(
      'div',
      {class: 'card ' + (name || ''), title},
      el('div', {class: 'label'}, label),
      el('div', {class: 'figure'}, figure),
      el('div', {class: 'more'}, more || ' ')
    )
  }

  cards() {
    const {facts} = this
    const {raw} = this.model
    const leaks = leakFacts(facts.groups)
    const exactly = value => countText(value) + ' bytes'
    const seconds = raw.duration / 1e9
    return el(
      'div',
      {class: 'cards'},
      this.card(
        'Most alive',
        bytesText(raw.peakBytes),
        raw.peakTime > 0 ? 'after ' + timeText(raw.peakTime) : '',
        exactly(raw.peakBytes)
      ),
      this.card(
        'Highest heap',
        facts.peak > 0 ? bytesText(facts.peak) : '–',
        facts.peak > 0 ? 'after ' + timeText(facts.peakTime) : 'not known',
        exactly(facts.peak)
      ),
      this.card(
        'Highest resident',
        facts.residentPeak > 0 ? bytesText(facts.residentPeak) : '–',
        facts.residentPeak > 0 ? 'after ' + timeText(facts.residentPeakTime) : 'not known',
        exactly(facts.residentPeak)
      ),
      this.card('Alive at the end', bytesText(facts.live), plural(facts.liveObjects, 'object'), exactly(facts.live)),
      this.card(
        'Leaked',
        bytesText(leaks.bytes),
        plural(leaks.objects, 'object'),
        exactly(leaks.bytes),
        leaks.bytes > 0 ? 'bad' : ''
      ),
      this.card(
        'Leaked and collected',
        bytesText(leaks.collectedBytes),
        plural(leaks.collectedObjects, 'object'),
        exactly(leaks.collectedBytes)
      ),
      this.card(
        'Allocated',
        bytesText(facts.allocated),
        seconds > 0 ? bytesText(facts.allocated / seconds) + '/s' : '',
        exactly(facts.allocated)
      ),
      this.card(
        'Allocations',
        roughText(facts.allocations),
        seconds > 0 ? roughText(facts.allocations / seconds) + '/s' : '',
        countText(facts.allocations)
      ),
      this.card('Temporary', shareText(facts.temporaryShare), 'of all allocations'),
      this.card(
        'Collections',
        countText(raw.cycles.t.length),
        raw.cycles.t.length > 0 ? 'longest pause ' + timeText(facts.longest) : ''
      ),
      this.card(
        'Unused in blocks',
        shareText(facts.unused),
        facts.committed > 0 ? 'of ' + bytesText(facts.committed) : 'not known',
        'Room in blocks of the heap that no object fills, at the end'
      )
    )
  }

  /* ---- What comes first ---- */

  top(title, metric, sites) {
    const format = formatOf(metric)
    if (sites.length === 0 || sites[0].value <= 0) return null
    return el(
      'div',
      {},
      el('h3', {}, title),
      sites.map(({node, value}) =>
        el(
          'button',
          {class: 'top', onclick: () => this.app.showPlace(node, metric)},
          el('bdi', {class: 'name', title: this.model.siteText(node)}, this.model.siteText(node)),
          el('span', {class: 'value'}, format(value)),
          el('span', {class: 'strip'}, el('i', {style: {width: ((value / sites[0].value) * 100).toFixed(2) + '%'}}))
        )
      )
    )
  }

  tops() {
    const top = metric => topSites(this.model, this.model.measure(metric), 10)
    return el(
      'div',
      {class: 'tops'},
      this.top('Leaks', 'leaked', top('leaked')),
      this.top('Alive at the end', 'live', top('live')),
      this.top('Alive at the peak', 'peak', top('peak')),
      this.top('Growing without a break', 'live', this.facts.growing.slice(0, 10)),
      this.top('Leaked and collected', 'collected', top('collected')),
      this.top('Most bytes allocated', 'allocated', top('allocated')),
      this.top('Most allocations', 'allocations', top('allocations')),
      this.top('Most temporary', 'temporary', top('temporary'))
    )
  }
}
