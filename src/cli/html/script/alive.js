/* SPDX-License-Identifier: MIT */
/* Why objects live: what each site keeps alive, what is below it, and a way from a root to its largest object. */

const ROOTS = [
  'unknown',
  'static data',
  'stack of thread',
  'register of thread',
  'other memory of the process',
  'the kernel (epoll, timers)',
  'roots that the program added',
  'held by gcalloc (uncollectable, or to be finalized)',
]
const STEP_FIELDS = 5 // node, address, bytes, where in the holder, where in the object

class Alive {
  constructor(app) {
    this.app = app
    this.model = app.model
    const {graph} = this.model.raw
    this.element = newSection(
      'alive',
      'Why alive',
      graph
        ? this.content(graph)
        : lead('This profile does not have the heap as a graph, so it cannot say what keeps objects alive.')
    )
  }

  content(graph) {
    this.graph = graph
    this.paths = new Map(graph.ways.map(way => [way.site, way]))
    const rows = graph.sites.node
      .map((node, i) => ({
        key: i,
        node: this.model.now.nodeAt(node),
        objects: graph.sites.objects[i],
        bytes: graph.sites.bytes[i],
        retained: graph.sites.retained[i],
        doubtful: graph.sites.doubtful[i],
        best: graph.sites.bestBytes[i],
      }))
      .filter(row => row.objects > 0)
    this.table = new Table(this.columns(), {
      label: 'What keeps memory alive',
      sort: 1,
      key: row => row.key,
      open: row => this.more(row),
    })
    this.table.set(rows)
    const roots = graph.roots
      .map((value, kind) => ({label: ROOTS[kind].replace('of thread', 'of a thread'), value}))
      .filter(root => root.value > 0)
    return [
      lead(
        'An object retains what would go with it: itself, and all that is reached only through it. Here for ' +
          'all objects of a place together. Exact for the moment at which the heap was looked at; sites are ' +
          'known as far as samples saw them.'
      ),
      el(
        'p',
        {class: 'note'},
        `${plural(graph.objects, 'object')} reached, ${bytesText(graph.bytes)}, by ${plural(graph.links, 'link')}` +
          (graph.lostObjects > 0
            ? `; ${plural(graph.lostObjects, 'object')} not reached, ${bytesText(graph.lostBytes)}`
            : '') +
          '. ' +
          (graph.doubtful > 0
            ? `${bytesText(graph.doubtful)} are held only by doubtful words, which point to odd places inside of objects: ` +
              'they may be numbers that look like pointers.'
            : 'Nothing is held by doubtful words alone.')
      ),
      this.table.element,
      el(
        'div',
        {class: 'columns'},
        el('div', {}, el('h3', {}, 'What holds what'), this.tree(0)),
        el('div', {}, el('h3', {}, 'Words that are roots'), bars(roots, countText))
      ),
    ]
  }

  columns() {
    const {bytes} = this.model.raw.graph
    return [
      siteColumn(this.model, 'Allocated by'),
      numberColumn('Retained', 'retained', bytesText, {share: row => row.retained / bytes}),
      numberColumn('Own', 'bytes', bytesText),
      numberColumn('Objects', 'objects', countText),
      numberColumn('Largest retains', 'best', bytesText),
      {
        title: 'Doubtful',
        number: true,
        help: 'Own bytes that only words hold which may be numbers',
        value: row => row.doubtful,
        cell: row => (row.doubtful > 0 ? el('span', {class: 'tag warn'}, bytesText(row.doubtful)) : '–'),
      },
    ]
  }

  more(row) {
    const path = this.paths.get(row.key)
    return el(
      'div',
      {class: 'columns'},
      el(
        'div',
        {},
        el('h3', {}, 'What holds the one that retains most'),
        path ? this.path(path) : el('p', {class: 'note'}, 'It is not among the hundred sites that retain most.')
      ),
      el('div', {}, el('h3', {}, 'Allocated here'), stackList(this.model, row.node))
    )
  }

  /* From the root to the object; a chain of one site is told in one line. */
  path(path) {
    const steps = []
    for (let i = 0; i < path.steps.length; i += STEP_FIELDS) {
      const [node, address, bytes, offset, inside] = path.steps.slice(i, i + STEP_FIELDS)
      const previous = steps[steps.length - 1]
      if (previous && previous.node === node && i + STEP_FIELDS < path.steps.length)
        Object.assign(previous, {count: previous.count + 1, bytes: previous.bytes + bytes})
      else steps.push({node, address, bytes, offset, inside, count: 1})
    }
    if (path.inside > 0 && path.length * STEP_FIELDS === path.steps.length) steps[0].inside = path.inside
    const left = path.length - path.steps.length / STEP_FIELDS
    return el(
      'ol',
      {class: 'stack path'},
      el('li', {}, el('b', {}, this.root(path))),
      left > 0 ? el('li', {}, `${countText(left)} steps that are not shown`) : null,
      steps.map((step, i) =>
        el(
          'li',
          {},
          i > 0 ? `+${step.offset}: ` : '',
          siteCell(this.model, this.model.now.nodeAt(step.node)),
          ' ',
          el(
            'span',
            {class: 'where'},
            `0x${step.address.toString(16)}, ${bytesText(step.bytes)}` +
              (step.count > 1 ? ` in a chain of ${countText(step.count)}` : '')
          ),
          step.inside > 0
            ? [' ', el('span', {class: step.inside % 8 ? 'tag warn' : 'tag'}, `points ${step.inside} bytes into it`)]
            : null
        )
      )
    )
  }

  root(path) {
    if (path.kind === undefined) return 'a root'
    if (path.symbol)
      return (
        `static data: ${path.symbol}` +
        (path.offset > 0 ? `+${path.offset}` : '') +
        (path.module ? ` in ${path.module}` : '')
      )
    const address = path.address > 0 ? ` at 0x${path.address.toString(16)}` : ''
    const name =
      path.thread > 0 ? `${ROOTS[path.kind]} ${path.thread}` : ROOTS[path.kind].replace('of thread', 'of a thread')
    return name + address
  }

  /* Groups below a group, those that retain most first; drawn when opened. */
  tree(parent) {
    const {groups} = this.graph
    if (!this.children) {
      this.children = new Map()
      groups.parent.forEach((above, i) => {
        if (i > 0) this.children.set(above, (this.children.get(above) || []).concat(i))
      })
      for (const list of this.children.values()) list.sort((a, b) => groups.retained[b] - groups.retained[a])
    }
    const list = this.children.get(parent) || []
    const line = i => [
      bytesText(groups.retained[i]),
      ' ',
      el('span', {class: 'where'}, shareText(groups.retained[i] / this.graph.bytes)),
      ' ',
      siteCell(this.model, this.model.now.nodeAt(this.graph.sites.node[groups.site[i]])),
      ' ',
      el('span', {class: 'where'}, plural(groups.objects[i], 'object')),
    ]
    return el(
      'div',
      {class: 'tree'},
      list.slice(0, 30).map(i => {
        if (!this.children.has(i)) return el('div', {class: 'leaf'}, line(i))
        const details = el(
          'details',
          {
            ontoggle: () => {
              if (details.open && details.children.length === 1) details.append(this.tree(i))
            },
          },
          el('summary', {}, line(i))
        )
        return details
      }),
      list.length > 30 ? el('p', {class: 'note'}, `and ${countText(list.length - 30)} more`) : null,
      list.length === 0 ? el('p', {class: 'note'}, 'Nothing is large enough to be listed.') : null
    )
  }
}
