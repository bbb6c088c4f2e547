/* SPDX-License-Identifier: MIT */
/* Sizes and ages, threads, collections. */

const CYCLE_REASONS = ['growth', 'limit', 'request', 'memory', 'torture'] // enum cycle_reason

const BIN_LABELS = ['1 ms', '4 ms', '16 ms', '64 ms', '¼ s', '1 s', '4 s', '16 s', '1 min', '4 min', '17 min']

const binLabel = bin => (bin < BIN_LABELS.length ? 'up to ' + BIN_LABELS[bin] : 'older')

class Details {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.lifetimes = el('div')
    this.ages = el('div')
    this.objects = el('div')
    this.which = el('p', {class: 'note'})
    this.sizes = this.sizeSection()
    this.threads = this.threadSection()
    this.cycles = this.cycleSection()
    this.starts(this.model.raw.rows)
    app.draws(this.sizes, () => this.drawSizes())
    app.draws(this.threads, () => this.drawThreads())
  }

  /* Where each row's bins begin, once. */
  starts(rows) {
    this.begin = {}
    for (const name of ['lifetimes', 'ages']) {
      let sum = 0
      this.begin[name] = Int32Array.from(rows[name].count, count => (sum += count) - count)
    }
  }

  binsOf(name, has) {
    const {count, bin, value} = this.model.raw.rows[name]
    const sums = new Array(BINS).fill(0)
    for (let row = 0; row < count.length; row++) {
      if (count[row] === 0 || !has(row)) continue
      for (let i = this.begin[name][row]; i < this.begin[name][row] + count[row]; i++) sums[bin[i]] += value[i]
    }
    return sums.map((sum, i) => ({label: binLabel(i), value: sum}))
  }

  isShown(row) {
    const {selection, inFocus, now} = this.model
    return (
      (selection.thread < 0 || now.thread[row] === selection.thread) && (!inFocus || inFocus[now.node[row]] === 1)
    )
  }

  drawSizes() {
    const draw = (box, bins, empty) =>
      box.replaceChildren(
        sumOf(bins.map(bin => bin.value)) > 0 ? bars(this.trimmed(bins), roughText) : el('p', {class: 'note'}, empty)
      )
    draw(
      this.lifetimes,
      this.binsOf('lifetimes', row => this.isShown(row)),
      'Nothing has been freed here.'
    )
    draw(
      this.ages,
      this.binsOf('ages', row => this.isShown(row)),
      'Nothing is alive here.'
    )
    draw(this.objects, this.meanSizes(), 'Nothing was allocated here.')
    const {thread, focus} = this.model.selection
    this.which.textContent =
      'Of the whole run' +
      (thread >= 0 ? ', the chosen thread' : '') +
      (focus >= 0 ? ', stacks through the chosen function' : '') +
      '.'
  }

  /* Without the empty bins at both ends. */
  trimmed(bins) {
    const first = bins.findIndex(bin => bin.value > 0)
    const last = bins.length - 1 - [...bins].reverse().findIndex(bin => bin.value > 0)
    return bins.slice(first, last + 1)
  }

  /* Allocations by the mean size of their stack, in powers of four. */
  meanSizes() {
    const {rows} = this.model.raw
    const sums = new Array(14).fill(0)
    for (let row = 0; row < rows.allocations.length; row++) {
      if (rows.allocations[row] === 0 || !this.isShown(row)) continue
      const mean = rows.allocated[row] / rows.allocations[row]
      sums[Math.max(0, Math.min(13, Math.ceil(Math.log2(Math.max(mean, 1)) / 2) - 1))] += rows.allocations[row]
    }
    return sums.map((value, i) => ({
      label: i === 13 ? 'larger' : 'up to ' + bytesText(4 ** (i + 1)).replace('.0', ''),
      value,
    }))
  }

  sizeSection() {
    const {sizes} = this.model.raw
    const table = new Table(
      [
        {
          title: 'Slot',
          number: true,
          value: row => row.slot || Infinity,
          cell: row => (row.slot > 0 ? countText(row.slot) + ' B' : 'large objects'),
        },
        numberColumn('Blocks', 'blocks', countText),
        numberColumn('Objects', 'objects', countText),
        numberColumn('Alive', 'live', bytesText),
        numberColumn('Memory', 'committed', bytesText, {
          help: 'Committed: what the blocks take',
          share: row => row.committed / (sumOf(sizes.committed) || 1),
        }),
        {
          title: 'Unused',
          number: true,
          value: row => row.committed - row.live,
          cell: row => bytesText(Math.max(0, row.committed - row.live)),
        },
        {
          title: 'Filled',
          number: true,
          value: row => row.live / (row.committed || 1),
          cell: row => shareText(row.live / (row.committed || 1)),
        },
      ],
      {label: 'Size classes', sort: 5}
    )
    table.set(
      sizes.slot.map((slot, i) => ({
        slot,
        blocks: sizes.blocks[i],
        objects: sizes.objects[i],
        live: sizes.live[i],
        committed: sizes.committed[i],
      }))
    )
    return newSection(
      'sizes',
      'Sizes and ages',
      lead(
        'How long objects lived that are gone, how old those are that live, and how full the blocks of the ' +
          'heap are. What is old and still grows is often a leak that can be reached.'
      ),
      this.which,
      el(
        'div',
        {class: 'columns'},
        el('div', {}, el('h3', {}, 'Lifetimes of what is gone, objects'), this.lifetimes),
        el('div', {}, el('h3', {}, 'Ages of what lives, objects'), this.ages),
        el('div', {}, el('h3', {}, 'Allocations by size'), this.objects)
      ),
      el('h3', {}, 'Size classes at the end'),
      sizes.slot.length > 0
        ? table.element
        : el('p', {class: 'note'}, 'The profile does not say how full the blocks are.')
    )
  }

  /* ---- Threads ---- */

  threadSection() {
    const figure = (name, title, format) => ({
      title,
      number: true,
      value: row => row[name],
      cell: row => format(row[name]),
      share: row => row[name] / (this.threadSums[name] || 1),
    })
    this.threadTable = new Table(
      [
        {
          title: 'Thread',
          wide: true,
          value: row => row.name,
          cell: row => [
            el('bdi', {class: 'name'}, row.name),
            ' ',
            el(
              'button',
              {
                class: 'link',
                onclick: () =>
                  this.model.select({thread: row.thread === this.model.selection.thread ? -1 : row.thread}),
              },
              row.thread === this.model.selection.thread ? 'show all' : 'show only this'
            ),
          ],
        },
        figure('live', 'Alive', bytesText),
        figure('allocated', 'Allocated', bytesText),
        figure('allocations', 'Allocations', roughText),
        figure('temporary', 'Temporary', roughText),
      ],
      {label: 'Threads', sort: 2}
    )
    return newSection(
      'threads',
      'Threads',
      lead(
        'By the thread that allocated. A profile tells the first 1,024 threads apart; what later ones do ' +
          'counts for “several”.'
      ),
      this.threadTable.element
    )
  }

  drawThreads() {
    const {model} = this
    const {from, to} = model.selection
    const now = model.now.at(to),
      before = model.now.at(from)
    const rows = new Map()
    for (let i = 0; i < model.now.count; i++) {
      if (model.inFocus && !model.inFocus[model.now.node[i]]) continue
      const thread = model.now.thread[i]
      if (!rows.has(thread))
        rows.set(thread, {
          thread,
          name: model.raw.threads[thread] || `thread ${thread}`,
          live: 0,
          allocated: 0,
          allocations: 0,
          temporary: 0,
        })
      const row = rows.get(thread)
      row.live += now.live[i]
      row.allocated += now.allocated[i] - before.allocated[i]
      row.allocations += now.allocations[i] - before.allocations[i]
      row.temporary += now.temporary[i] - before.temporary[i]
    }
    const list = Array.from(rows.values())
    this.threadSums = {}
    for (const name of ['live', 'allocated', 'allocations', 'temporary'])
      this.threadSums[name] = sumOf(list.map(row => row[name]))
    this.threadTable.set(list)
  }

  /* ---- Collections ---- */

  cycleSection() {
    const {cycles} = this.model.raw
    const longest = cycles.pause.reduce((top, pause) => Math.max(top, pause), 1)
    const table = new Table(
      [
        numberColumn('Ended', 't', timeText),
        {title: 'Why', value: row => row.reason, cell: row => row.reason},
        numberColumn('Pause', 'pause', timeText, {help: 'All threads stopped', share: row => row.pause / longest}),
        numberColumn('Marking', 'mark', timeText),
        numberColumn('Sweeping', 'sweep', timeText),
        numberColumn('Freed', 'freed', bytesText),
        numberColumn('Objects freed', 'freedObjects', countText),
        numberColumn('Alive after', 'live', bytesText),
        numberColumn('Heap', 'heap', bytesText),
        numberColumn('Threads', 'threads', countText),
      ],
      {label: 'Collections', sort: 2, empty: 'No collection was needed.'}
    )
    table.set(
      cycles.t.map((t, i) => ({
        t,
        reason: CYCLE_REASONS[cycles.reason[i]] || 'unknown',
        pause: cycles.pause[i],
        mark: cycles.mark[i],
        sweep: cycles.sweep[i],
        freed: cycles.freed[i],
        freedObjects: cycles.freedObjects[i],
        live: cycles.live[i],
        heap: cycles.heap[i],
        threads: cycles.threads[i],
      }))
    )
    const sum =
      cycles.t.length === 0
        ? null
        : el(
            'p',
            {class: 'note'},
            `${plural(cycles.t.length, 'collection')}, paused ${timeText(sumOf(cycles.pause))} in all ` +
              `(${shareText(sumOf(cycles.pause) / Math.max(this.model.raw.duration, 1))} of the run), ` +
              `half of them at most ${timeText(this.median(cycles.pause))}, ` +
              `the longest ${timeText(longest)}; freed ${bytesText(sumOf(cycles.freed))}.`
          )
    return newSection(
      'collections',
      'Collections and pauses',
      lead('Each time the program was stopped to find what it had lost. All figures are exact.'),
      sum,
      table.element
    )
  }

  median(values) {
    const sorted = [...values].sort((a, b) => a - b)
    return sorted[Math.floor(sorted.length / 2)]
  }
}
