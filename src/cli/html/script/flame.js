/* SPDX-License-Identifier: MIT */
/* The flame graph: boxes as wide as what was allocated in a function and in what it called. A click or Enter goes into a box and
 * says who calls it and what it calls; arrow keys move, Escape goes back. Boxes are placed in percent, so nothing is drawn anew
 * when the page changes its width; boxes too narrow to be seen are left out.
 */

const LEVEL = 20 // pixels
const MOST_BOXES = 4000
const COLOURS = 8

class Flame {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.options = {inverted: false, lines: false, folded: false, allocator: false}
    this.metric = 'live'
    this.isIcicle = true
    this.least = 0.0005
    this.zoom = []
    this.chosen = 0
    this.trees = new Map()
    this.found = ''
    this.colours = this.chooseColours()
    this.box = el('div', {
      class: 'flame',
      role: 'tree',
      'aria-label': 'Flame graph',
      onclick: event => this.click(event),
      onkeydown: event => this.key(event),
      onpointermove: event => this.tip(event),
      onpointerleave: () => (byId('tip').hidden = true),
      onfocusin: event => this.focused(event),
    })
    this.sum = el('p', {class: 'note', id: 'flame-sum', role: 'status'})
    this.detail = el('div', {class: 'card detail', id: 'detail', hidden: true})
    this.legend = el('div', {class: 'legend modules'})
    this.element = newSection(
      'flame',
      'Flame graph',
      lead(
        'Each box is a function; its width is what was allocated in it and in all that it called. Click a box ' +
          'to go into it and see who calls it.'
      ),
      this.controls(),
      this.sum,
      el('div', {class: 'flame-box'}, this.box),
      this.legend,
      this.detail
    )
    app.draws(this.element, () => this.refresh())
  }

  /* The modules with most frames have colours of their own. */
  chooseColours() {
    const counts = new Map()
    for (const frame of this.model.names.frames) counts.set(frame.module, (counts.get(frame.module) || 0) + 1)
    const order = Array.from(counts.keys()).sort((a, b) => counts.get(b) - counts.get(a))
    const own = this.model.names.moduleNumbers.get(baseName(this.model.raw.executable))
    if (order.includes(own)) order.unshift(...order.splice(order.indexOf(own), 1))
    return new Map(order.map((module, i) => [module, Math.min(i, COLOURS - 1)]))
  }

  /* ---- Controls ---- */

  controls() {
    const {raw, base} = this.model
    const has = metric => metric !== 'peak' || raw.peak.length > 0
    this.choice = el(
      'select',
      {id: 'metric', onchange: () => this.setMetric(this.choice.value)},
      Object.keys(METRICS)
        .filter(has)
        .map(metric => el('option', {value: metric}, METRICS[metric].name))
    )
    this.search = el('input', {
      type: 'search',
      id: 'search',
      placeholder: 'Search functions, files, modules',
      'aria-label': 'Search',
      oninput: () => this.setSearch(this.search.value),
      onkeydown: event => {
        if (event.key === 'Escape') this.setSearch('')
      },
    })
    this.matched = el('span', {class: 'note', id: 'matched', role: 'status'})
    this.resetButton = el('button', {id: 'reset-zoom', onclick: () => this.reset()}, 'Reset zoom')
    this.small = el(
      'select',
      {
        id: 'small',
        onchange: () => {
          this.least = Number(this.small.value)
          this.draw()
        },
      },
      [
        [0.0005, 'under 0.05 %'],
        [0.002, 'under 0.2 %'],
        [0.01, 'under 1 %'],
        [0.03, 'under 3 %'],
      ].map(([value, text]) => el('option', {value}, text))
    )
    this.compared = base ? this.toggle('compared', 'Coloured by change', true, () => this.draw()) : null
    this.earlier = base
      ? this.toggle('earlier', 'Widths as they were before', false, isOn => {
          this.isEarlier = isOn
          this.zoom = []
          this.refresh()
        })
      : null
    return [
      el(
        'div',
        {class: 'controls'},
        el('label', {}, 'Show', this.choice),
        el('span', {class: 'grow'}, this.search),
        this.matched,
        this.resetButton
      ),
      el(
        'div',
        {class: 'controls'},
        this.toggle('icicle', 'Root on top', true, isOn => {
          this.isIcicle = isOn
          this.draw()
        }),
        this.option('inverted', 'Inverted', 'The allocating functions first, then who calls them'),
        this.option('lines', 'Tell lines apart', 'A box for each line that calls, not for each function'),
        this.option('folded', 'Fold recursion', 'A function that calls itself is one box'),
        this.option('allocator', 'Show the allocator’s frames', 'malloc and what is below it'),
        this.compared,
        this.earlier,
        el('label', {}, 'Hide', this.small)
      ),
    ]
  }

  toggle(id, text, isOn, call) {
    const button = el(
      'button',
      {
        id,
        'aria-pressed': String(isOn),
        onclick: () => {
          const now = button.getAttribute('aria-pressed') !== 'true'
          button.setAttribute('aria-pressed', String(now))
          call(now)
        },
      },
      text
    )
    return button
  }

  option(name, text, title) {
    const button = this.toggle('option-' + name, text, this.options[name], isOn => {
      this.options[name] = isOn
      this.zoom = []
      this.refresh()
    })
    button.title = title
    return button
  }

  setMetric(metric) {
    this.metric = metric
    this.choice.value = metric
    this.refresh()
  }

  setSearch(text) {
    this.search.value = text
    this.found = text.trim().toLowerCase()
    this.draw()
  }

  reset() {
    this.zoom = []
    this.chosen = 0
    this.detail.hidden = true
    this.draw()
  }

  /* ---- Values ---- */

  tree() {
    const key = JSON.stringify(this.options)
    if (!this.trees.has(key)) {
      if (this.trees.size > 3) this.trees.clear()
      this.trees.set(key, new Tree(this.model, {...this.options}))
    }
    return this.trees.get(key)
  }

  refresh() {
    const tree = this.tree()
    const {now, base} = this.model
    this.values = this.model.measure(this.metric, this.isEarlier ? base : now)
    Object.assign(this, tree.sum(this.values))
    this.otherTotal = base ? tree.sum(this.model.measure(this.metric, this.isEarlier ? now : base)).total : null
    this.zoom = this.zoom.filter(node => node < tree.count && this.total[node] > 0)
    if (this.chosen >= tree.count) this.chosen = 0
    this.draw()
    if (!this.detail.hidden) this.showDetail(this.detailOf)
  }

  format(value) {
    return formatOf(this.metric)(value)
  }

  top() {
    return this.zoom[this.zoom.length - 1] || 0
  }

  /* ---- Drawing ---- */

  draw() {
    if (!this.values) {
      this.refresh()
      return
    }
    const tree = this.tree()
    this.hits = this.findHits(tree)
    let boxes
    for (let least = this.least; ; least *= 2) {
      boxes = this.place(tree, least)
      if (boxes.length <= MOST_BOXES) break
    }
    const levels = boxes.reduce((most, box) => Math.max(most, box.level), 0) + 1
    this.box.style.height = levels * LEVEL + 'px'
    this.levels = levels
    this.box.replaceChildren(...boxes.map(box => this.elementOf(tree, box)))
    if (this.total[0] === 0) this.box.replaceChildren(el('div', {class: 'empty'}, this.emptyText()))
    if (this.total[0] === 0) this.box.style.height = 'auto'
    this.say()
    this.drawLegend()
    this.resetButton.disabled = this.zoom.length === 0
  }

  emptyText() {
    if (this.metric === 'leaked' || this.metric === 'lost') return this.model.raw.leaksKnown ? 'Nothing has leaked here.' : nothingLeaked(this.model)
    if (this.metric === 'grown') return 'Nothing has grown here. Choose a window in the timeline.'
    return 'Nothing to show here' + (this.model.isWhole() ? '.' : ': the filters leave nothing.')
  }

  /* The boxes that are wide enough: those above the one gone into, over the whole width, and what is below it. */
  place(tree, least) {
    const top = this.top()
    const all = this.total[top]
    const boxes = []
    if (all <= 0) return boxes
    const above = []
    for (let node = top; node > 0; node = tree.parent[node]) above.unshift(tree.parent[node])
    above.forEach((node, level) => boxes.push({node, level, left: 0, width: 1, isAbove: true}))
    const waiting = [{node: top, level: above.length, left: 0, width: 1}]
    while (waiting.length > 0 && boxes.length <= MOST_BOXES) {
      const box = waiting.pop()
      boxes.push(box)
      let {left} = box
      for (const child of this.children(tree, box.node)) {
        const width = this.total[child] / all
        if (width < least) break
        waiting.push({node: child, level: box.level + 1, left, width})
        left += width
      }
    }
    return boxes
  }

  /* Largest first. */
  children(tree, node) {
    const list = []
    for (let child = tree.child[node]; child >= 0; child = tree.sibling[child])
      if (this.total[child] > 0) list.push(child)
    return list.sort((a, b) => this.total[b] - this.total[a])
  }

  colour(tree, node) {
    if (this.compared && this.compared.getAttribute('aria-pressed') === 'true') {
      const [now, before] = this.isEarlier
        ? [this.otherTotal[node], this.total[node]]
        : [this.total[node], this.otherTotal[node]]
      return now > before * 1.05 ? 'more' : now < before * 0.95 ? 'less' : 'same'
    }
    if (node === 0) return 'c7'
    const {fn, module} = tree.frameAt(node)
    return `c${this.colours.get(module) || 0} s${fn % 3}`
  }

  elementOf(tree, {node, level, left, width, isAbove}) {
    const isHit = this.hits && this.hits.frames[node]
    const name = tree.label(node)
    const names = [
      'frame',
      this.colour(tree, node),
      isAbove && 'above',
      this.hits && !this.hits.below[node] && 'faint',
      isHit && 'hit',
      node > 0 && node === this.chosen && 'chosen',
    ]
    const place = (this.isIcicle ? level : this.levels - 1 - level) * LEVEL
    const element = el(
      'div',
      {
        class: names.filter(Boolean).join(' '),
        role: 'treeitem',
        'aria-level': level + 1,
        tabindex: node === this.top() ? '0' : '-1',
        'aria-label': `${name}, ${this.format(this.total[node])}, ${shareText(this.total[node] / this.total[0])}`,
        style: {left: (left * 100).toFixed(4) + '%', width: (width * 100).toFixed(4) + '%', top: place + 'px'},
      },
      width > 0.012 ? name.slice(0, 200) : ''
    )
    element.dataset.node = node
    return element
  }

  say() {
    const top = this.top()
    const parts = [`${METRICS[this.metric].name}: ${this.format(this.total[0])}`]
    if (top > 0)
      parts.push(
        `zoomed into ${this.tree().label(top).slice(0, 120)}: ${this.format(this.total[top])}, ` +
          shareText(this.total[top] / this.total[0])
      )
    if (this.otherTotal) parts.push(`${this.isEarlier ? 'now' : 'before'} ${this.format(this.otherTotal[0])}`)
    const rule = METRICS[this.metric]
    if (rule.leak)
      parts.push(
        'exact' +
          (this.model.selection.thread >= 0 ? '; leaks of all threads: which one allocated them is not known' : '')
      )
    else if (rule.row && this.model.raw.level !== 3)
      parts.push(`estimate, ±${shareText(this.model.error(this.metric))}`)
    if (rule.peak) parts.push('at the moment when the heap was largest, whatever window is chosen')
    this.sum.textContent = parts.join(' · ')
    this.matched.textContent = this.hits ? `matched: ${shareText(this.hits.share)}` : ''
  }

  drawLegend() {
    if (this.compared && this.compared.getAttribute('aria-pressed') === 'true') {
      this.legend.replaceChildren(
        el('span', {class: 'm-more'}, 'more now than before'),
        el('span', {class: 'm-less'}, 'less now'),
        el('span', {class: 'm-same'}, 'about the same')
      )
      return
    }
    const entries = Array.from(this.colours).filter(([, colour]) => colour < COLOURS - 1)
    this.legend.replaceChildren(
      ...entries.map(([module, colour]) =>
        el('span', {class: 'm' + colour}, el('bdi', {}, (this.model.names.modules[module] || 'unknown').slice(0, 60)))
      ),
      this.colours.size > COLOURS - 1 ? el('span', {class: 'm7'}, 'others') : ''
    )
  }

  /* ---- Search ---- */

  matches(frame) {
    const {names} = this.model
    return (
      names.functions[frame.fn].name.toLowerCase().includes(this.found) ||
      frame.file.toLowerCase().includes(this.found) ||
      names.modules[frame.module].toLowerCase().includes(this.found)
    )
  }

  /* Which boxes match, which have one that does below or above them, and what share of all stacks goes through any. */
  findHits(tree) {
    if (!this.found) return null
    const isMatch = Uint8Array.from(this.model.names.frames, frame => (this.matches(frame) ? 1 : 0))
    const through = this.model.nodesThrough(frame => isMatch[frame])
    let sum = 0
    this.values.forEach((value, leaf) => (sum += through[this.model.leaves[leaf]] ? value : 0))
    const functions = new Uint8Array(this.model.names.functions.length)
    this.model.names.frames.forEach((frame, i) => (functions[frame.fn] |= isMatch[i]))
    const frames = new Uint8Array(tree.count),
      below = new Uint8Array(tree.count)
    const inside = new Uint8Array(tree.count)
    for (let i = 1; i < tree.count; i++) {
      frames[i] = tree.options.lines ? isMatch[tree.key[i]] : functions[tree.key[i]]
      inside[i] = frames[i] | inside[tree.parent[i]]
      below[i] = inside[i]
    }
    for (let i = tree.count - 1; i > 0; i--) if (below[i] && this.total[i] > 0) below[tree.parent[i]] = 1
    return {frames, below, share: this.total[0] > 0 ? sum / this.total[0] : 0}
  }

  /* ---- What the user does ---- */

  nodeOf(event) {
    const element = event.target.closest('.frame')
    return element ? Number(element.dataset.node) : -1
  }

  click(event) {
    const node = this.nodeOf(event)
    byId('tip').hidden = true
    if (node >= 0) this.go(node)
  }

  /* Into a box; back out where it is above, or is the one gone into. */
  go(node) {
    const tree = this.tree()
    const isThere = node === this.top()
    this.zoom = isThere ? (tree.parent[node] > 0 ? [tree.parent[node]] : []) : node === 0 ? [] : [node]
    this.chosen = node
    this.draw()
    this.focusOn(isThere ? this.top() : node)
    if (node > 0) this.showDetail(tree.frameAt(node).fn, node)
  }

  focusOn(node) {
    const element = this.box.querySelector(`[data-node="${node}"]`)
    if (!element) return
    for (const other of this.box.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1
    element.tabIndex = 0
    element.focus({preventScroll: true})
  }

  key(event) {
    const tree = this.tree()
    const node = this.nodeOf(event)
    if (node < 0) return
    const isDown = (event.key === 'ArrowDown') === this.isIcicle
    if (event.key === 'Enter' || event.key === ' ') this.go(node)
    else if (event.key === 'Escape') this.reset()
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown')
      this.focusOn(isDown ? this.children(tree, node)[0] : tree.parent[node])
    else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const list = this.children(tree, tree.parent[node])
      this.focusOn(list[list.indexOf(node) + (event.key === 'ArrowRight' ? 1 : -1)])
    } else return
    event.preventDefault()
  }

  focused(event) {
    const node = this.nodeOf(event)
    if (node > 0) say(event.target.getAttribute('aria-label'))
  }

  tip(event) {
    const node = this.nodeOf(event)
    const tip = byId('tip')
    tip.hidden = node < 0
    if (node < 0) return
    if (tip.dataset.node !== String(node) + this.metric) tip.replaceChildren(...this.tipParts(node))
    tip.dataset.node = String(node) + this.metric
    const {width, height} = tip.getBoundingClientRect()
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 8)) + 'px'
    tip.style.top =
      (event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18) + 'px'
  }

  tipParts(node) {
    const tree = this.tree()
    const parts = [
      el('bdi', {class: 'name'}, tree.label(node).slice(0, 600)),
      `${this.format(this.total[node])} · ${shareText(this.total[node] / this.total[0])} of all`,
    ]
    if (this.own[node] > 0 && !this.options.inverted) parts.push(` · itself ${this.format(this.own[node])}`)
    if (this.otherTotal) parts.push(` · ${this.isEarlier ? 'now' : 'before'} ${this.format(this.otherTotal[node])}`)
    if (node > 0) {
      const frame = tree.frameAt(node)
      parts.push(el('div', {}, frame.file ? `${frame.file}:${frame.line}` : this.model.names.modules[frame.module]))
    }
    return parts
  }

  /* ---- Callers and callees ---- */

  showDetail(fn, node) {
    const {name, module} = this.model.names.functions[fn]
    const around = this.around(fn)
    const all = this.total[0] || 1
    this.detailOf = fn
    this.detail.hidden = false
    this.detail.replaceChildren(
      el(
        'h3',
        {},
        el('bdi', {class: 'name'}, name),
        ' ',
        el('span', {class: 'where'}, this.model.names.modules[module])
      ),
      el(
        'p',
        {class: 'note'},
        `${METRICS[this.metric].name}: itself ${this.format(around.own)}, with what it calls ${this.format(around.total)} ` +
          `(${shareText(around.total / all)})`
      ),
      el(
        'div',
        {class: 'controls'},
        el(
          'button',
          {id: 'focus-here', onclick: () => this.app.focus(this.model.selection.focus === fn ? -1 : fn)},
          this.model.selection.focus === fn ? 'Show all stacks again' : 'Only stacks through this, everywhere'
        ),
        el('button', {onclick: () => this.setSearch(name)}, 'Find all boxes of it'),
        el(
          'button',
          {
            onclick: () => {
              this.detail.hidden = true
            },
          },
          'Close'
        )
      ),
      el(
        'div',
        {class: 'columns'},
        this.list('Called by', around.callers, around.total, 'It is the outermost function.'),
        this.list('Calls', around.callees, around.total, 'It calls nothing that allocates.'),
        this.list('Lines', around.lines, around.total, 'No lines are known.')
      )
    )
  }

  /* Sums over all stacks with this function: by caller and callee (each stack once, by its outermost and innermost call), and by
   * line. */
  around(fn) {
    const {parent, frame, names, leaves} = this.model
    const sums = {own: 0, total: 0, callers: new Map(), callees: new Map(), lines: new Map()}
    const add = (map, key, value) => map.set(key, (map.get(key) || 0) + value)
    const through = this.model.nodesThrough(number => names.frames[number].fn === fn)
    const isShown = number => this.options.allocator || !(names.frames[number].flags & ALLOCATOR)
    for (let leaf = 0; leaf < leaves.length; leaf++) {
      const value = this.values[leaf]
      if (value === 0 || !through[leaves[leaf]]) continue
      let below = -1,
        outermost = -1,
        isInner = true
      for (let node = leaves[leaf]; node > 0; node = parent[node]) {
        if (!isShown(frame[node])) continue
        if (names.frames[frame[node]].fn === fn) {
          if (isInner) {
            if (below < 0) sums.own += value
            else add(sums.callees, names.frames[frame[below]].fn, value)
            const {file, line} = names.frames[frame[node]]
            if (file) add(sums.lines, file + ':' + line, value)
          }
          isInner = false
          outermost = node
        }
        below = node
      }
      sums.total += value
      let caller = parent[outermost]
      while (caller > 0 && !isShown(frame[caller])) caller = parent[caller]
      if (caller > 0) add(sums.callers, names.frames[frame[caller]].fn, value)
    }
    return sums
  }

  list(title, map, all, empty) {
    const entries = Array.from(map)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 12)
    return el(
      'div',
      {},
      el('h3', {}, title),
      entries.length === 0
        ? el('p', {class: 'note'}, empty)
        : entries.map(([key, value]) => {
            const isLine = typeof key === 'string'
            const text = isLine ? key : this.model.names.functions[key].name
            return el(
              'button',
              {
                class: 'top',
                onclick: () => (isLine ? this.setSearch(key.slice(0, key.lastIndexOf(':'))) : this.showDetail(key)),
              },
              el('bdi', {class: 'name', title: text}, isLine ? baseName(text) : text),
              el('span', {class: 'value'}, this.format(value)),
              el('span', {class: 'strip'}, el('i', {style: {width: ((value / (all || 1)) * 100).toFixed(2) + '%'}}))
            )
          }),
      map.size > 12 ? el('p', {class: 'note'}, `and ${map.size - 12} more`) : null
    )
  }
}
