/* SPDX-License-Identifier: MIT */
/* Two profiles side by side: what is more, less, new and gone, by place. */

const COMPARE_METRICS = ['live', 'objects', 'peak', 'allocated', 'allocations', 'temporary', 'leaked', 'collected']
const STATES = {all: 'All', grown: 'More', shrunk: 'Less', new: 'New', gone: 'Gone'}

/* A change as a share, or, where it is large, as a multiple. */
function ratioText(ratio) {
  return ratio >= 10 ? '×\u2009' + countText(ratio) : signedText(ratio - 1, shareText)
}

class Compare {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.metric = 'live'
    this.state = 'all'
    this.table = new Table(this.columns(), {
      label: 'Changes by place',
      sort: 4,
      key: row => row.key,
      open: row => stackList(this.model, row.node),
      empty: 'Nothing differs here.',
    })
    this.sum = el('p', {class: 'note', id: 'compare-sum', role: 'status'})
    const {raw} = this.model
    const {raw: base} = this.model.base
    this.element = newSection(
      'compare',
      'Compared',
      lead(
        'From ',
        el('bdi', {class: 'name'}, base.path),
        ` (${timeText(base.duration)}) to `,
        el('bdi', {class: 'name'}, raw.path),
        ` (${timeText(raw.duration)}): places are the same where function, file, line and module are. Each at its end.`
      ),
      this.overview(raw, base),
      this.controls(),
      this.sum,
      this.table.element
    )
    app.draws(this.element, () => this.refresh())
  }

  overview(raw, base) {
    const facts = side => ({
      'Most alive': [side.peakBytes, bytesText],
      Leaked: [sumOf(side.leaks.bytes.filter((_, i) => !side.leaks.collected[i])), bytesText],
      'Leaked and collected': [sumOf(side.leaks.bytes.filter((_, i) => side.leaks.collected[i])), bytesText],
      Allocated: [side.usage.allocated[side.usage.allocated.length - 1] || 0, bytesText],
      Allocations: [side.usage.objects[side.usage.objects.length - 1] || 0, roughText],
      Collections: [side.cycles.t.length, countText],
      Paused: [sumOf(side.cycles.pause), timeText],
      Time: [side.duration, timeText],
    })
    const now = facts(raw),
      before = facts(base)
    return el(
      'div',
      {class: 'cards'},
      Object.keys(now).map(name => {
        const [value, format] = now[name]
        const [old] = before[name]
        return el(
          'div',
          {class: 'card'},
          el('div', {class: 'label'}, name),
          el('div', {class: 'figure'}, format(value)),
          el(
            'div',
            {class: 'more'},
            `before ${format(old)}`,
            old > 0
              ? el(
                  'span',
                  {class: value > old ? 'grew' : value < old ? 'shrank' : null},
                  ' ' + ratioText(value / old)
                )
              : null
          )
        )
      })
    )
  }

  controls() {
    const choice = el(
      'select',
      {
        id: 'compare-metric',
        onchange: () => {
          this.metric = choice.value
          this.refresh()
        },
      },
      COMPARE_METRICS.map(metric => el('option', {value: metric}, METRICS[metric].name))
    )
    this.perTime = el('input', {type: 'checkbox', id: 'per-second', onchange: () => this.refresh()})
    this.buttons = Object.keys(STATES).map(state =>
      el(
        'button',
        {
          'aria-pressed': String(state === this.state),
          onclick: () => {
            this.state = state
            this.buttons.forEach((button, i) =>
              button.setAttribute('aria-pressed', String(Object.keys(STATES)[i] === state))
            )
            this.refresh()
          },
        },
        STATES[state]
      )
    )
    return el(
      'div',
      {class: 'controls'},
      el('label', {}, 'Show', choice),
      el('span', {role: 'group', 'aria-label': 'Which changes'}, this.buttons),
      el('label', {}, this.perTime, 'per second of running'),
      el('button', {onclick: () => saveFile('changes.csv', 'text/csv', this.table.csv())}, 'Save as CSV')
    )
  }

  columns() {
    const format = value => formatOf(this.metric)(value)
    return [
      siteColumn(this.model, 'Place'),
      {
        title: 'Change',
        value: row => row.state,
        cell: row =>
          el(
            'span',
            {class: 'tag ' + {grown: 'warn', new: 'bad', gone: 'good', shrunk: 'good'}[row.state]},
            STATES[row.state].toLowerCase()
          ),
      },
      numberColumn('Before', 'before', format),
      numberColumn('Now', 'now', format),
      {
        title: 'Difference',
        number: true,
        value: row => Math.abs(row.now - row.before),
        cell: row =>
          el('span', {class: row.now > row.before ? 'grew' : 'shrank'}, signedText(row.now - row.before, format)),
        share: row => Math.abs(row.now - row.before) / (this.most || 1),
      },
      {
        title: '%',
        number: true,
        value: row => (row.before > 0 ? row.now / row.before - 1 : Infinity),
        cell: row => (row.before > 0 ? ratioText(row.now / row.before) : '–'),
      },
    ]
  }

  /* Frames of the two profiles that read the same have different numbers: sites go by what they are called. */
  key(node) {
    if (node === 0) return ''
    const frame = this.model.names.frames[this.model.site(node)]
    return frame.fn + '\0' + frame.file + '\0' + frame.line
  }

  add(sites, side, name, scale) {
    this.model.measure(this.metric, side).forEach((value, leaf) => {
      if (value === 0) return
      const node = this.model.leaves[leaf]
      const key = this.key(node)
      if (!sites.has(key)) sites.set(key, {key, node, before: 0, now: 0})
      sites.get(key)[name] += value * scale
    })
  }

  refresh() {
    const perTime = side => (this.perTime.checked ? 1e9 / Math.max(side.raw.duration, 1) : 1)
    const sites = new Map()
    this.add(sites, this.model.now, 'now', perTime(this.model.now))
    this.add(sites, this.model.base, 'before', perTime(this.model.base))
    const all = Array.from(sites.values())
    for (const row of all)
      row.state = row.before === 0 ? 'new' : row.now === 0 ? 'gone' : row.now > row.before ? 'grown' : 'shrunk'
    const rows = all.filter(row => row.now !== row.before && (this.state === 'all' || row.state === this.state))
    this.most = rows.reduce((most, row) => Math.max(most, Math.abs(row.now - row.before)), 0)
    this.table.set(rows)
    const before = sumOf(all.map(row => row.before)),
      now = sumOf(all.map(row => row.now))
    const format = value => formatOf(this.metric)(value) + (this.perTime.checked ? '/s' : '')
    const count = state => all.filter(row => row.state === state && row.now !== row.before).length
    this.sum.textContent =
      `${METRICS[this.metric].name}: ${format(before)} before, ${format(now)} now, ${signedText(now - before, format)}. ` +
      `${count('grown')} places have more, ${count('shrunk')} less, ${count('new')} are new, ${count('gone')} gone.`
  }
}
