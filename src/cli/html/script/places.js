/* SPDX-License-Identifier: MIT */
/* The table of places: what was allocated by line, function, file or module, by itself or with all that was called. */

const GROUPINGS = {
  site: {name: 'place', key: (model, frame, number) => number},
  function: {name: 'function', key: (model, frame) => frame.fn},
  file: {name: 'file', key: (model, frame) => frame.file || model.names.modules[frame.module]},
  module: {name: 'module', key: (model, frame) => frame.module},
}

const PLACE_METRICS = ['live', 'peak', 'allocated', 'allocations', 'temporary', 'leaked']

class Places {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.grouping = 'site'
    this.isInclusive = false
    this.table = new Table(this.columns(), {
      label: 'Places',
      sort: 1,
      key: row => row.key,
      open: row => this.more(row),
      empty: 'No allocation is known here.',
    })
    this.element = newSection(
      'places',
      'Places',
      lead('Who allocates, in the chosen window. Open a row for its stacks.'),
      this.controls(),
      this.table.element
    )
    app.draws(this.element, () => this.refresh())
  }

  controls() {
    const choice = el(
      'select',
      {
        id: 'grouping',
        onchange: () => {
          this.grouping = choice.value
          this.refresh()
        },
      },
      Object.keys(GROUPINGS).map(name => el('option', {value: name}, GROUPINGS[name].name))
    )
    const inclusive = el('input', {
      type: 'checkbox',
      id: 'inclusive',
      onchange: () => {
        this.isInclusive = inclusive.checked
        this.refresh()
      },
    })
    return el(
      'div',
      {class: 'controls'},
      el('label', {}, 'by', choice),
      el('label', {}, inclusive, 'with what is called from there'),
      el('button', {onclick: () => saveFile('places.csv', 'text/csv', this.table.csv())}, 'Save as CSV')
    )
  }

  columns() {
    const figure = (metric, title, help) => ({
      title,
      help,
      number: true,
      value: row => row[metric],
      cell: row => (row[metric] === 0 ? '–' : formatOf(metric)(row[metric])),
      share: row => (this.sums && this.sums[metric] > 0 ? row[metric] / this.sums[metric] : 0),
    })
    return [
      {
        title: 'Place',
        wide: true,
        value: row => row.text,
        cell: row => el('div', {class: 'clip'}, nameOf(...row.parts)),
      },
      figure('live', 'Alive', 'Bytes alive at the end of the window'),
      figure('peak', 'At the peak', 'Bytes alive when the heap was largest'),
      figure('allocated', 'Allocated', 'Bytes allocated in the window'),
      figure('allocations', 'Allocations', 'Objects allocated in the window'),
      figure('temporary', 'Temporary', 'Objects freed almost at once'),
      figure('leaked', 'Leaked', 'Bytes that were not freed and cannot be reached, still there'),
      {
        title: '±',
        help: 'Likely error of what is alive, or, where nothing is, of what was allocated',
        number: true,
        value: row => row.error,
        cell: row => (this.model.raw.level === 3 ? 'exact' : row.error > 0 ? shareText(row.error) : '–'),
      },
    ]
  }

  /* Which group each of the model's nodes belongs to by itself. */
  groups() {
    const {model} = this
    const numbers = new Map()
    const byFrame = Int32Array.from(model.names.frames, (frame, number) => {
      const key = GROUPINGS[this.grouping].key(model, frame, number)
      if (!numbers.has(key)) numbers.set(key, numbers.size)
      return numbers.get(key)
    })
    return {byFrame, count: numbers.size}
  }

  /* For each leaf: its own group by where it allocates; -1 for the root. */
  ownGroups(byFrame) {
    return this.model.leaves.map(node => (node === 0 ? -1 : byFrame[this.model.site(node)]))
  }

  /* Nodes that are outermost of their group: with all below them they count for it, and nothing is counted twice. */
  outermost(byFrame, count) {
    const {parent, frame} = this.model
    const isOutermost = new Uint8Array(parent.length)
    const open = new Int32Array(count)
    const path = []
    for (let node = 1; node < parent.length; node++) {
      while (path.length > 0 && path[path.length - 1] !== parent[node]) open[byFrame[frame[path.pop()]]]--
      const group = byFrame[frame[node]]
      isOutermost[node] = open[group] === 0 ? 1 : 0
      open[group]++
      path.push(node)
    }
    return isOutermost
  }

  refresh() {
    const {model} = this
    const {byFrame, count} = this.groups()
    const own = this.ownGroups(byFrame)
    const isOutermost = this.isInclusive ? this.outermost(byFrame, count) : null
    const sums = {}
    this.sums = {}
    sums.variance =
      model.raw.level === 3
        ? null
        : {
            live: this.add(model.variances('live'), own, isOutermost, byFrame, count),
            allocated: this.add(model.variances('allocated'), own, isOutermost, byFrame, count),
          }
    for (const metric of PLACE_METRICS) {
      const values = model.measure(metric)
      this.sums[metric] = sumOf(values)
      sums[metric] = this.add(values, own, isOutermost, byFrame, count)
    }
    this.table.set(this.rows(sums, byFrame, count))
  }

  add(values, own, isOutermost, byFrame, count) {
    const sums = new Float64Array(count)
    if (!isOutermost) {
      for (let leaf = 0; leaf < values.length; leaf++)
        if (values[leaf] !== 0 && own[leaf] >= 0) sums[own[leaf]] += values[leaf]
      return sums
    }
    const {parent, frame, leaves} = this.model
    const total = new Float64Array(parent.length)
    for (let leaf = 0; leaf < values.length; leaf++) total[leaves[leaf]] = values[leaf]
    for (let node = total.length - 1; node > 0; node--) total[parent[node]] += total[node]
    for (let node = 1; node < total.length; node++) if (isOutermost[node]) sums[byFrame[frame[node]]] += total[node]
    return sums
  }

  rows(sums, byFrame, count) {
    const frameOf = new Int32Array(count).fill(-1)
    byFrame.forEach((group, frame) => {
      if (frameOf[group] < 0) frameOf[group] = frame
    })
    const rows = []
    for (let group = 0; group < count; group++) {
      if (!PLACE_METRICS.some(metric => sums[metric][group] > 0)) continue
      const row = {key: group, frame: frameOf[group]}
      for (const metric of PLACE_METRICS) row[metric] = sums[metric][group]
      row.error = this.error(row, sums.variance)
      rows.push(this.named(row))
    }
    return rows
  }

  error(row, variance) {
    if (!variance) return 0
    const figure = row.live > 0 ? 'live' : 'allocated'
    return row[figure] > 0 ? Math.sqrt(variance[figure][row.key]) / row[figure] : 0
  }

  named(row) {
    const frame = this.model.names.frames[row.frame]
    const module = this.model.names.modules[frame.module]
    const {name} = this.model.functionOf(frame)
    if (this.grouping === 'site') row.parts = [name, frame.file ? `${baseName(frame.file)}:${frame.line}` : module]
    else if (this.grouping === 'function') row.parts = [name, module]
    else row.parts = [this.grouping === 'file' ? frame.file || module : module || 'unknown', '']
    row.text = row.parts.join(' ')
    return row
  }

  /* The stacks of a row with most alive, or, where nothing is, most allocated. */
  more(row) {
    const {model} = this
    const {byFrame} = this.groups()
    const metric = row.live > 0 ? 'live' : row.leaked > 0 ? 'leaked' : 'allocated'
    const values = model.measure(metric)
    const through = this.isInclusive ? model.nodesThrough(frame => byFrame[frame] === row.key) : null
    const isIn = node => node > 0 && (through ? through[node] : byFrame[model.site(node)] === row.key)
    const nodes = Array.from(model.leaves)
      .filter(node => values[model.order[node]] > 0 && isIn(node))
      .sort((a, b) => values[model.order[b]] - values[model.order[a]])
    const course = model.now.course(i => isIn(model.now.node[i]))
    return el(
      'div',
      {},
      course.length > 1 ? el('div', {class: 'controls'}, 'alive over time', spark(course)) : null,
      el(
        'div',
        {class: 'controls'},
        el('button', {onclick: () => this.app.showFlame(row.frame, metric)}, 'Show in the flame graph')
      ),
      nodes
        .slice(0, 5)
        .map(node =>
          el(
            'div',
            {},
            el('b', {}, `${formatOf(metric)(values[model.order[node]])} ${METRICS[metric].name.toLowerCase()}`),
            stackList(model, node)
          )
        ),
      nodes.length > 5 ? el('p', {class: 'note'}, `and ${countText(nodes.length - 5)} more stacks`) : null
    )
  }

  reveal(node) {
    this.grouping = 'site'
    this.isInclusive = false
    byId('grouping').value = 'site'
    byId('inclusive').checked = false
    this.refresh()
    const {byFrame} = this.groups()
    if (node > 0) this.table.reveal(byFrame[this.model.site(node)])
  }
}
